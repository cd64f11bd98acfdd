//! A backup: a folder with a manifest, and two files for each collection in the layout of `mongodump --gzip`,
//! so that MongoDB's own tools can read it as well.

mod files;
mod manifest;
pub(crate) mod read;
pub(crate) mod take;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use self::manifest::{Collection, MANIFEST, Manifest};

/// The end of the name of a backup that was not finished.
const UNFINISHED: &str = ".unfinished";

/// The folder that has all backups.
pub(crate) struct Backups(PathBuf);

impl Backups {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names of those that have a manifest, the newest last.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.0).with_context(|| format!("BACKUP_DIR: reading {}", self.0.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.path().join(MANIFEST).is_file() && !entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        // By what they are of: a copy may have any name.
        let began = |name: &String| Manifest::of(&self.0.join(name)).map(|manifest| manifest.began).ok();
        names.sort_by_cached_key(|name| (began(name), name.clone()));
        Ok(names)
    }

    /// The folder of the backup of this name, or of the newest one.
    pub(crate) fn find(&self, name: Option<String>) -> Result<PathBuf> {
        let names = self.names()?;
        let Some(name) = name.or_else(|| names.last().cloned()) else {
            bail!("nothing was changed: there is no backup in {}", self.0.display());
        };
        if !names.contains(&name) {
            bail!("nothing was changed: there is no backup {name}; there are: {}", names.join(", "));
        }
        Ok(self.0.join(name))
    }

    /// Prints a line for each.
    pub(crate) fn list(&self) -> Result<()> {
        for name in self.names()? {
            match Manifest::of(&self.0.join(&name)) {
                Ok(manifest) => println!("{name}  {}", manifest.summary()),
                Err(error) => println!("{name}  can't be restored: {error:#}"),
            }
        }
        Ok(())
    }
}
