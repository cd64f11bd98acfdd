//! One fleet per checkout: a file that the running `up` holds locked and that has its pid in it.
//!
//! The kernel drops the lock when its holder ends, however it ends: so while it is held, the pid
//! in it is the holder's and no one else's.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

fn path() -> PathBuf {
    super::home().join("up.lock")
}

/// Held while the fleet runs.
#[derive(Debug)]
pub(super) struct UpLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl UpLock {
    pub(super) fn take() -> Result<Self> {
        let mut file = open()?;
        if file.try_lock().is_err() {
            return Err(running(&mut file));
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

/// The pid of the `up` that runs, if one does.
pub(super) fn holder() -> Result<Option<i32>> {
    let mut file = open()?;
    if file.try_lock().is_ok() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    text.trim().parse().map(Some).with_context(|| format!("{} has no pid in it", path().display()))
}

pub(super) fn refuse_if_running() -> Result<()> {
    let mut file = open()?;
    if file.try_lock().is_err() {
        return Err(running(&mut file));
    }
    Ok(())
}

fn running(file: &mut File) -> anyhow::Error {
    let mut pid = String::new();
    let _ = file.read_to_string(&mut pid);
    anyhow::anyhow!("the marketplace runs already (pid {}); `cargo xtask down` stops it", pid.trim())
}

fn open() -> Result<File> {
    let path = path();
    let Some(folder) = path.parent() else { bail!("{} has no folder", path.display()) };
    std::fs::create_dir_all(folder)?;
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))
}
