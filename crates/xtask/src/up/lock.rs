//! Allows one fleet per checkout, by a lock file that contains the pid of the running `up`.
//!
//! The kernel releases the lock when the process ends, in whatever way. So while the lock is held, the
//! pid in the file is the holder's.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

fn path() -> PathBuf {
    super::home().join("up.lock")
}

/// The lock, held while the fleet runs.
#[derive(Debug)]
pub(super) struct UpLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl UpLock {
    pub(super) fn take() -> Result<Self> {
        let mut file = lock()?;
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

/// Returns the pid of the running `up`, if there is one.
pub(super) fn holder() -> Result<Option<i32>> {
    let mut file = open()?;
    if file.try_lock().is_ok() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    text.trim().parse().map(Some).with_context(|| format!("{} contains no pid", path().display()))
}

/// Fails if `up` is running.
pub(super) fn ensure_not_running() -> Result<()> {
    lock().map(drop)
}

fn lock() -> Result<File> {
    let mut file = open()?;
    if file.try_lock().is_err() {
        let mut pid = String::new();
        let _ = file.read_to_string(&mut pid);
        bail!("the marketplace is already running (pid {}); `cargo xtask down` stops it", pid.trim());
    }
    Ok(file)
}

fn open() -> Result<File> {
    std::fs::create_dir_all(super::home())?;
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path());
    file.with_context(|| format!("opening {}", path().display()))
}
