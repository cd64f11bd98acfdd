//! Loading a backup beside what is there.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongodb::Database;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::RESTORING;
use crate::backup::read::{Batches, metadata};
use crate::backup::{Collection, Manifest};
use crate::fleet::Fleet;

/// Loads every collection of the backup under a name of its own, with its indexes.
pub(super) async fn beside(fleet: &Fleet, folder: &Path, manifest: &Manifest) -> Result<()> {
    for (path, expected) in &manifest.collections {
        let (service, name) = path.split_once('/').context("a path without a database")?;
        let database = fleet.client.database(service);
        one(&database, &format!("{RESTORING}{name}"), folder, path, expected).await.with_context(|| path.clone())?;
    }
    Ok(())
}

async fn one(database: &Database, name: &str, folder: &Path, path: &str, expected: &Collection) -> Result<()> {
    let metadata = metadata(folder, path)?;
    let mut create = doc! { "create": name };
    create.extend(metadata.options);
    database.run_command(create).await?;
    let collection = database.collection::<RawDocumentBuf>(name);
    let mut batches = Batches::open(folder, path)?;
    loop {
        let batch = batches.next()?;
        if batch.is_empty() {
            break;
        }
        collection.insert_many(&batch).await?;
    }
    // Before there are indexes, of which one may remove what has expired.
    let kept = collection.count_documents(doc! {}).await?;
    ensure!(kept == expected.documents, "{kept} documents were stored, not {}", expected.documents);
    let indexes: Vec<Document> =
        metadata.indexes.into_iter().filter(|index| index.get_str("name").ok() != Some("_id_")).collect();
    if !indexes.is_empty() {
        // Not every member, which is the default: one may be away, and that may be why there is a restore.
        let create = doc! { "createIndexes": name, "indexes": indexes, "commitQuorum": "majority" };
        database.run_command(create).await?;
    }
    Ok(())
}
