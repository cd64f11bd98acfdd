//! Backups. A backup is a directory with a manifest, and two files for each collection in the layout of `mongodump
//! --gzip`, so that MongoDB's own tools can read it as well.

pub(crate) mod files;
mod manifest;
pub(crate) mod take;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub(crate) use self::manifest::{CollectionSummary, MANIFEST, Manifest};
use crate::output::Rejected;
use crate::reports::{BackupList, ListedBackup};

/// The suffix of an unfinished backup's name.
const UNFINISHED: &str = ".unfinished";

/// The directory of all backups.
pub(crate) struct Backups(pub(crate) PathBuf);

impl Backups {
    /// The names of the backups with a manifest, sorted by the time of the backup.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.0).with_context(|| format!("BACKUP_DIR: reading {}", self.0.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().join(MANIFEST).is_file() && !name.ends_with(UNFINISHED) {
                names.push(name);
            }
        }
        // Names do not determine the order, because a copy of a backup may have any name.
        let started_at = |name: &String| Manifest::read(&self.0.join(name)).map(|manifest| manifest.started_at).ok();
        names.sort_by_cached_key(|name| (started_at(name), name.clone()));
        Ok(names)
    }

    /// The directory of the backup of this name, or of the newest backup.
    pub(crate) fn find(&self, name: Option<String>) -> Result<PathBuf> {
        let names = self.names()?;
        let Some(name) = name.or_else(|| names.last().cloned()) else {
            bail!(Rejected(format!("there is no backup in {}", self.0.display())));
        };
        if !names.contains(&name) {
            bail!(Rejected(format!("there is no backup {name}; there are: {}", names.join(", "))));
        }
        Ok(self.0.join(name))
    }

    /// All backups with a manifest, the newest last.
    pub(crate) fn list(&self) -> Result<BackupList> {
        let describe = |name: String| match Manifest::read(&self.0.join(&name)) {
            Ok(manifest) => ListedBackup { name, summary: Some(manifest.summary()), problem: None },
            Err(error) => ListedBackup { name, summary: None, problem: Some(format!("{error:#}")) },
        };
        Ok(BackupList { backups: self.names()?.into_iter().map(describe).collect() })
    }
}
