//! Taking a backup: all six databases as they were at one moment.
//!
//! # Why
//! Each service keeps copies of what others own, with version numbers. An owner that is older than its copies
//! would count the same versions again, for other states, which nobody would take. So the databases are read
//! in one snapshot session, and only brought back together.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::clock::{Clock, SystemClock};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::files::{Metadata, Writer, write_metadata};
use super::{Backups, Collection, MANIFEST, Manifest, UNFINISHED};
use crate::fleet::Fleet;

/// For how long MongoDB is told to keep the moment readable while a backup runs, and ordinarily (its default).
const SNAPSHOT_SECONDS: (i32, i32) = (4 * 3600, 300);

/// Takes one, and then removes those that are older than `backup_retention_days`.
pub(crate) async fn take(fleet: &Fleet, backups: &Backups, backup_retention_days: Option<u64>) -> Result<()> {
    crate::restore::ensure_none(fleet).await.context("there is no new backup")?;
    let began = SystemClock.now();
    let name = began.to_string().replace(':', "-").split_once('.').map(|(seconds, _)| format!("{seconds}Z"));
    let folder = backups.path().join(name.context("a time without a fraction")?);
    ensure!(!folder.exists(), "{} exists already", folder.display());
    // A backup that was interrupted is never taken for a whole one.
    let unfinished = folder.with_extension(UNFINISHED.trim_start_matches('.'));
    fs::create_dir_all(&unfinished).with_context(|| format!("BACKUP_DIR: creating {}", unfinished.display()))?;
    keep_snapshots(fleet, SNAPSHOT_SECONDS.0).await;
    let outcome = write(fleet, &unfinished, began).await;
    keep_snapshots(fleet, SNAPSHOT_SECONDS.1).await;
    let manifest = match outcome {
        Ok(manifest) => manifest,
        Err(error) => {
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error.context("there is no new backup"));
        }
    };
    fs::rename(&unfinished, &folder)?;
    fs::File::open(backups.path())?.sync_all()?;
    println!("{}: {}", folder.display(), manifest.summary());
    if let Some(days) = backup_retention_days {
        remove_older(backups, began.minus(Duration::from_secs(days * 24 * 3600)))?;
    }
    Ok(())
}

/// Longer than a backup takes; a server that does not let us (a managed one) keeps its own time.
async fn keep_snapshots(fleet: &Fleet, seconds: i32) {
    let set = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": seconds };
    if let Err(error) = fleet.client.database("admin").run_command(set).await {
        eprintln!("ticketctl: MongoDB keeps its snapshots as long as it does: {error}");
    }
}

async fn write(fleet: &Fleet, folder: &Path, began: Timestamp) -> Result<Manifest> {
    let mut manifest = Manifest::begin(&fleet.public_url, fleet.mongodb_version().await?, began);
    // The first read fixes the moment; all others read the databases as they were then.
    let mut session = fleet.client.start_session().snapshot(true).await?;
    for (service, database) in fleet.databases() {
        let mut collections: Vec<_> = database.list_collection_names().await?;
        // What an earlier restore keeps, or an unfinished one has begun, is no part of the fleet.
        collections.retain(|name| !name.starts_with("system.") && !crate::restore::is_set_aside(name));
        for name in collections {
            let path = format!("{service}/{name}");
            let collection = database.collection::<RawDocumentBuf>(&name);
            let written = documents(&collection, &mut session, folder, &path).await.with_context(|| path.clone())?;
            let list = doc! { "listIndexes": &name };
            let indexes: Vec<Document> = database.run_cursor_command(list).await?.try_collect().await?;
            let info = database.list_collections().filter(doc! { "name": &name }).await?.try_next().await?;
            let options = info.map(|info| mongodb::bson::serialize_to_document(&info.options)).transpose()?;
            write_metadata(folder, &path, &Metadata { options: options.unwrap_or_default(), indexes })?;
            manifest.collections.insert(path, written);
        }
    }
    // Whoever changes names meanwhile changes what was listed.
    crate::restore::ensure_none(fleet).await?;
    let text = serde_json::to_string_pretty(&manifest)?;
    fs::write(folder.join(MANIFEST), text + "\n")?;
    fs::File::open(folder.join(MANIFEST))?.sync_all()?;
    Ok(manifest)
}

async fn documents(
    collection: &mongodb::Collection<RawDocumentBuf>,
    session: &mut ClientSession,
    folder: &Path,
    path: &str,
) -> Result<Collection> {
    let mut writer = Writer::create(folder, path)?;
    let mut found = collection.find(doc! {}).batch_size(1000).session(&mut *session).await?;
    while let Some(document) = found.next(session).await {
        writer.write(&document?)?;
    }
    writer.finish()
}

fn remove_older(backups: &Backups, than: Timestamp) -> Result<()> {
    let names = backups.names()?;
    let (_, older) = names.split_last().context("the new backup is not there")?;
    for name in older {
        let folder = backups.path().join(name);
        if Manifest::of(&folder).is_ok_and(|manifest| manifest.began < than) {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {name}"))?;
            println!("{name} was removed");
        }
    }
    let than = than.to_string().replace(':', "-");
    // What a run that was killed has left.
    for entry in fs::read_dir(backups.path())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(UNFINISHED) && name < than {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
