//! Reading a backup: to its end before anything is changed, and then into collections.

use std::path::Path;

use anyhow::{Context, Result};
use mongodb::bson::RawDocumentBuf;

use super::files::{self, Metadata, Reader};
use super::{Collection, Manifest};

/// How much is sent to the server at once.
const BATCH_BYTES: usize = 8 << 20;
const BATCH_DOCUMENTS: usize = 1_000;

/// Reads every file to its end and compares it with the manifest.
pub(crate) fn verify(folder: &Path, manifest: &Manifest) -> Result<()> {
    for (path, expected) in &manifest.collections {
        verify_one(folder, path, expected).with_context(|| format!("{path} is damaged"))?;
    }
    Ok(())
}

fn verify_one(folder: &Path, path: &str, expected: &Collection) -> Result<()> {
    metadata(folder, path)?;
    let mut reader = Reader::open(folder, path)?;
    while reader.next()?.is_some() {}
    reader.ensure_is(expected)
}

/// What `database/collection` is made with.
pub(crate) fn metadata(folder: &Path, path: &str) -> Result<Metadata> {
    files::read_metadata(folder, path)
}

/// The documents of `database/collection`, some megabytes at a time.
pub(crate) struct Batches(Reader);

impl Batches {
    pub(crate) fn open(folder: &Path, path: &str) -> Result<Self> {
        Ok(Self(Reader::open(folder, path)?))
    }

    /// The next ones; none at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<RawDocumentBuf>> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH_BYTES && batch.len() < BATCH_DOCUMENTS {
            let Some(document) = self.0.next()? else { break };
            size += document.as_bytes().len();
            batch.push(document);
        }
        Ok(batch)
    }
}
