//! A folder for a test run's data, in memory where there is plenty of it.
//!
//! # Why
//! The servers sync every acknowledged write. On a disk that is most of a test's time, and what
//! it would guard against, a power cut, ends the test anyway.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

const MEMORY: &str = "/dev/shm";
const PLENTY: u64 = 6 << 30;

/// Removed on drop.
#[derive(Debug)]
pub struct ScratchDir {
    path: PathBuf,
}

impl ScratchDir {
    /// A new, empty one.
    pub fn new(name: &str) -> Result<Self> {
        let parent = if memory_is_plenty() { PathBuf::from(MEMORY) } else { std::env::temp_dir() };
        remove_orphans(&parent);
        let path = parent.join(format!("ticketing-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What runs left behind that were killed; their process is gone.
fn remove_orphans(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix("ticketing-")?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn memory_is_plenty() -> bool {
    let room = statvfs(MEMORY).is_ok_and(|fs| fs.blocks_available() * fs.fragment_size() > PLENTY);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    room && available.is_some_and(|kib| kib * 1024 > PLENTY)
}
