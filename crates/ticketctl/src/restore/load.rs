//! Loads a backup into staging collections.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::RESTORING;
use crate::backup::files::{Reader, read_metadata};
use crate::backup::{CollectionSummary, Manifest};
use crate::fleet::Fleet;

/// Loads every collection of the backup into a staging collection, with its indexes.
pub(super) async fn load_staging(fleet: &Fleet, directory: &Path, manifest: &Manifest) -> Result<()> {
    for (path, expected) in &manifest.collections {
        load_collection(fleet, directory, path, expected).await.with_context(|| path.clone())?;
    }
    Ok(())
}

async fn load_collection(fleet: &Fleet, directory: &Path, path: &str, expected: &CollectionSummary) -> Result<()> {
    let (service, name) = path.split_once('/').context("a path without a database")?;
    let (database, name) = (fleet.client.database(service), format!("{RESTORING}{name}"));
    let metadata = read_metadata(directory, path)?;
    let mut create = doc! { "create": &name };
    create.extend(metadata.options);
    database.run_command(create).await?;
    let collection = database.collection::<RawDocumentBuf>(&name);
    let mut reader = Reader::open(directory, path)?;
    loop {
        let batch = reader.next_batch()?;
        if batch.is_empty() {
            break;
        }
        collection.insert_many(&batch).await?;
    }
    // Counted before the indexes exist, because a TTL index may delete expired documents.
    let stored = collection.count_documents(doc! {}).await?;
    ensure!(stored == expected.documents, "{stored} documents were stored, not {}", expected.documents);
    let indexes: Vec<Document> =
        metadata.indexes.into_iter().filter(|index| index.get_str("name").ok() != Some("_id_")).collect();
    if !indexes.is_empty() {
        // The default quorum is every member, but a member may be down, which may even be the reason for the restore.
        let create = doc! { "createIndexes": name, "indexes": indexes, "commitQuorum": "majority" };
        database.run_command(create).await?;
    }
    Ok(())
}
