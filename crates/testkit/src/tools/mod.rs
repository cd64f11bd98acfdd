//! Finds the servers and tools that development needs, and installs pinned ones where PATH has
//! none that is new enough. Nothing here needs root; everything installed lands in `.tools/`.

mod install;
pub mod pinned;
pub mod python;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::pinned::Tool;

/// The four servers that a fleet runs on.
#[derive(Debug, Clone)]
pub struct Tools {
    /// mongod, 6.0 or newer.
    pub mongod: PathBuf,
    /// nats-server, 2.12 or newer.
    pub nats_server: PathBuf,
    /// redis-server, 6.2 or newer.
    pub redis_server: PathBuf,
    /// caddy, 2.6 or newer: the gateway.
    pub caddy: PathBuf,
}

impl Tools {
    /// Finds or installs all four. The error is one line that says what to do.
    pub fn find_or_install() -> Result<Self> {
        Ok(Self {
            mongod: find_or_install(Tool::Mongod)?,
            nats_server: find_or_install(Tool::NatsServer)?,
            redis_server: find_or_install(Tool::RedisServer)?,
            caddy: find_or_install(Tool::Caddy)?,
        })
    }
}

/// The path of one tool: the one on PATH if it is new enough, else the pinned one.
pub fn find_or_install(tool: Tool) -> Result<PathBuf> {
    let spec = tool.spec();
    let on_path = search_path(spec.binary).and_then(|path| {
        let version = spec.version_of(&path).ok()?;
        (version >= spec.minimum).then_some(path)
    });
    if let Some(path) = on_path {
        return Ok(path);
    }
    let (major, minor) = spec.minimum;
    install::pinned(&spec).with_context(|| {
        format!(
            "{name} {major}.{minor} or newer is not on PATH and could not be installed; put it on PATH, \
             or make `python3 -m pip` work with a package index, and run this again",
            name = spec.binary
        )
    })
}

/// The workspace's root folder.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder that git ignores and that tools are installed into.
pub fn tools_dir() -> PathBuf {
    workspace_root().join(".tools")
}

/// The first executable file of this name on PATH.
pub fn search_path(binary: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(binary))
        .find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
}

/// Shows one step of progress, in cargo's manner.
pub fn progress(verb: &str, what: &str) {
    eprintln!("{verb:>12} {what}");
}
