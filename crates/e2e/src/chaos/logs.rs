//! Finds panics in the logs of processes. A panic that is caught, or whose process is restarted, leaves no other trace.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// What Rust prints about every panic, before the file and the line.
const MARK: &str = "panicked at";
/// Maximum number of characters of a line that a finding quotes.
const MAX_CHARS: usize = 300;

/// The panics in the files of this folder: each distinct line, with the file's name.
pub(super) fn panics(folder: &Path) -> Result<BTreeSet<String>> {
    let mut panics = BTreeSet::new();
    for file in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let file = file?;
        let log = fs::read(file.path())?;
        for line in String::from_utf8_lossy(&log).lines().filter(|line| line.contains(MARK)) {
            let quoted: String = line.chars().take(MAX_CHARS).collect();
            panics.insert(format!("{}: {quoted}", file.file_name().to_string_lossy()));
        }
    }
    Ok(panics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_found_in_every_log() {
        let folder = tempfile::tempdir().unwrap();
        let panic = "thread 'main' panicked at src/main.rs:1:1:";
        fs::write(folder.path().join("orders.log"), format!("started\n{panic}\nboom\n{panic}\n")).unwrap();
        fs::write(folder.path().join("web.log"), "started\n").unwrap();
        let found: Vec<_> = panics(folder.path()).unwrap().into_iter().collect();
        assert_eq!(found, [format!("orders.log: {panic}")]);
    }
}
