//! Finds the servers and tools that development needs. If PATH has no version of a tool that is new
//! enough, installs the pinned version into `.tools/`, which needs no root permissions.

mod install;
pub mod pinned;
pub mod python;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::pinned::Tool;

/// Paths of the four servers that a fleet needs.
#[derive(Debug, Clone)]
pub struct Tools {
    /// mongod, 6.0 or newer.
    pub mongod: PathBuf,
    /// nats-server, 2.12 or newer.
    pub nats_server: PathBuf,
    /// redis-server, 6.2 or newer.
    pub redis_server: PathBuf,
    /// caddy, 2.6 or newer, as the gateway.
    pub caddy: PathBuf,
}

impl Tools {
    /// Finds or installs all four. The error is one line that says what to do.
    pub fn find_or_install() -> Result<Self> {
        Ok(Self {
            mongod: find_or_install(&Tool::MONGOD)?,
            nats_server: find_or_install(&Tool::NATS_SERVER)?,
            redis_server: find_or_install(&Tool::REDIS_SERVER)?,
            caddy: find_or_install(&Tool::CADDY)?,
        })
    }
}

/// Returns the path of a tool: the one on PATH if it is new enough, else the pinned one.
pub fn find_or_install(tool: &Tool) -> Result<PathBuf> {
    let is_new_enough = |path: &PathBuf| tool.version_of(path).is_ok_and(|version| version >= tool.minimum);
    if let Some(path) = search_path(tool.binary).filter(is_new_enough) {
        return Ok(path);
    }
    let (name, (major, minor)) = (tool.binary, tool.minimum);
    install::pinned(tool).with_context(|| {
        format!(
            "{name} {major}.{minor} or newer is not on PATH and could not be installed; put it on PATH, \
             or make `python3 -m pip` work with a package index, and run this again"
        )
    })
}

/// The root folder of the workspace.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder that tools are installed into; git ignores it.
pub fn tools_dir() -> PathBuf {
    workspace_root().join(".tools")
}

/// Locks the file of this name in `.tools/` until the returned `File` is dropped. If it is locked
/// already, prints a message and waits; `holder` describes in the message who has locked it.
pub fn lock_file(name: &str, holder: &str) -> Result<File> {
    fs::create_dir_all(tools_dir()).with_context(|| format!("creating {}", tools_dir().display()))?;
    let file = File::create(tools_dir().join(name))?;
    if file.try_lock().is_err() {
        progress("Waiting", &format!("for {holder} to end"));
        file.lock()?;
    }
    Ok(file)
}

/// The first executable file of this name on PATH.
pub fn search_path(binary: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(binary))
        .find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
}

/// Prints a line of progress in the style of cargo.
pub fn progress(verb: &str, what: &str) {
    eprintln!("{verb:>12} {what}");
}
