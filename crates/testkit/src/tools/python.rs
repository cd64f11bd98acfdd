//! Python 3: the installer of the pinned tools, and the interpreter of tests that hold our fake
//! Stripe against the official Python package.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::install::{lock, run};
use super::{progress, search_path, tools_dir, workspace_root};

/// The machine's Python 3, with pip.
pub(super) fn find() -> Result<PathBuf> {
    let python = search_path("python3").context("python3 is not on PATH; install Python 3 with pip")?;
    run(Command::new(&python).args(["-m", "pip", "--version"]))
        .context("python3 has no pip; install it (Debian: apt install python3-pip)")?;
    Ok(python)
}

/// A Python in a virtual environment under `.tools/` that has what infra/dev/requirements-test.txt
/// pins. `None` where that file does not exist.
pub fn test_python() -> Result<Option<PathBuf>> {
    let requirements = workspace_root().join("infra/dev/requirements-test.txt");
    let Ok(pins) = fs::read_to_string(&requirements) else {
        return Ok(None);
    };
    let python = find()?;
    let mut hasher = DefaultHasher::new();
    (&pins, &python).hash(&mut hasher);
    let home = tools_dir().join(format!("python-{:016x}", hasher.finish()));
    let (interpreter, done) = (home.join("bin/python"), home.join("finished"));
    if done.is_file() {
        return Ok(Some(interpreter));
    }
    let _lock = lock()?;
    if done.is_file() {
        return Ok(Some(interpreter));
    }
    progress("Installing", "the tests' Python packages into .tools/");
    let _ = fs::remove_dir_all(&home);
    // Without pip inside, so that it works where Debian keeps `ensurepip` in a package of its own.
    run(Command::new(&python).args(["-m", "venv", "--without-pip"]).arg(&home))
        .context("creating a virtual environment")?;
    let site = Command::new(&interpreter)
        .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"])
        .output()
        .context("asking the virtual environment for its packages' folder")?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"])
        .arg("--target")
        .arg(String::from_utf8_lossy(&site.stdout).as_ref())
        .arg("--requirement")
        .arg(&requirements))
    .context("installing infra/dev/requirements-test.txt")?;
    fs::write(&done, "")?;
    Ok(Some(interpreter))
}
