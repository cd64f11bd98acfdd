//! A temporary folder for a test run's data, in memory if enough of it is free.
//!
//! # Why
//! The servers sync every acknowledged write. On a disk this takes most of a test's time, and it only
//! protects against a power failure, which ends the test anyway.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

const MEMORY: &str = "/dev/shm";
const MIN_FREE_BYTES: u64 = 6 << 30;

/// A temporary folder, removed on drop.
#[derive(Debug)]
pub struct ScratchDir {
    path: PathBuf,
}

impl ScratchDir {
    /// Creates an empty folder whose name contains `name`.
    pub fn new(name: &str) -> Result<Self> {
        let parent = if has_enough_memory() { PathBuf::from(MEMORY) } else { std::env::temp_dir() };
        remove_abandoned(&parent);
        let path = parent.join(format!("ticketing-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the folders of processes that were killed.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix("ticketing-")?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn has_enough_memory() -> bool {
    let has_space = statvfs(MEMORY).is_ok_and(|fs| fs.blocks_available() * fs.fragment_size() > MIN_FREE_BYTES);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    has_space && available.is_some_and(|kib| kib * 1024 > MIN_FREE_BYTES)
}
