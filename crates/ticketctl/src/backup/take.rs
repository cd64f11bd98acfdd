//! Takes a backup of all six databases at one point in time.
//!
//! # Why
//! Services hold replicas of other services' entities, with version numbers. An owner that was restored to an earlier
//! time than its replicas would reuse versions for other states, and consumers would ignore those events as stale. So
//! all databases are read in one snapshot session, and restored only together.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::clock::{Clock, SystemClock};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::files::{Metadata, Writer, write_metadata};
use super::{Backups, MANIFEST, Manifest, UNFINISHED};
use crate::confirm::ask;
use crate::fleet::Fleet;
use crate::reports::BackupTaken;

/// MongoDB's snapshot history window during a backup, and its default, which is set afterwards.
const SNAPSHOT_SECONDS: (i32, i32) = (4 * 3600, 300);

/// Takes a backup, then deletes backups that are older than `backup_retention_days`. If there are any, asks the operator
/// first, unless `yes`.
pub(crate) async fn take(
    fleet: &Fleet,
    backups: &Backups,
    backup_retention_days: Option<u64>,
    yes: bool,
) -> Result<BackupTaken> {
    crate::restore::ensure_not_in_progress(fleet).await.context("no backup was created")?;
    let started_at = SystemClock.now();
    let limit = backup_retention_days.map(|days| started_at.minus(Duration::from_secs(days * 24 * 3600)));
    let older = limit.map_or(Ok(Vec::new()), |limit| older_than(backups, limit))?;
    if !older.is_empty() {
        ask(&format!("to be deleted once the new backup is complete: {}", older.join(", ")), yes)?;
    }
    let name = started_at.to_string().replace(':', "-").split_once('.').map(|(seconds, _)| format!("{seconds}Z"));
    let directory = backups.0.join(name.context("a time without a fraction")?);
    ensure!(!directory.exists(), "{} exists already", directory.display());
    // Renamed at the end, so that an interrupted backup is never mistaken for a complete one.
    let unfinished = directory.with_extension(UNFINISHED.trim_start_matches('.'));
    fs::create_dir_all(&unfinished).with_context(|| format!("BACKUP_DIR: creating {}", unfinished.display()))?;
    set_snapshot_window(fleet, SNAPSHOT_SECONDS.0).await;
    let outcome = write(fleet, &unfinished, started_at).await;
    set_snapshot_window(fleet, SNAPSHOT_SECONDS.1).await;
    let outcome = outcome.inspect_err(|_| drop(fs::remove_dir_all(&unfinished)));
    let manifest = outcome.context("no backup was created")?;
    fs::rename(&unfinished, &directory)?;
    fs::File::open(&backups.0)?.sync_all()?;
    eprintln!("{} is complete", directory.display());
    for name in &older {
        fs::remove_dir_all(backups.0.join(name)).with_context(|| format!("deleting {name}"))?;
    }
    Ok(BackupTaken { directory: directory.display().to_string(), summary: manifest.summary(), deleted: older })
}

/// Sets the snapshot history window. Best effort: a managed server may reject the parameter.
async fn set_snapshot_window(fleet: &Fleet, seconds: i32) {
    let set = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": seconds };
    if let Err(error) = fleet.client.database("admin").run_command(set).await {
        eprintln!("ticketctl: the snapshot history window of MongoDB could not be set: {error}");
    }
}

async fn write(fleet: &Fleet, directory: &Path, started_at: Timestamp) -> Result<Manifest> {
    let mut manifest = Manifest::new(&fleet.args.public_url, fleet.feature_compatibility_version().await?, started_at);
    // The first read fixes the snapshot time of the session.
    let mut session = fleet.client.start_session().snapshot(true).await?;
    for (service, database) in fleet.databases() {
        let mut collections: Vec<_> = database.list_collection_names().await?;
        // Collections of an earlier or unfinished restore do not belong to the fleet.
        collections.retain(|name| !name.starts_with("system.") && !crate::restore::is_staging(name));
        for name in collections {
            let path = format!("{service}/{name}");
            let collection = database.collection::<RawDocumentBuf>(&name);
            let mut writer = Writer::create(directory, &path)?;
            let mut found = collection.find(doc! {}).batch_size(1000).session(&mut session).await?;
            while let Some(document) = found.next(&mut session).await {
                writer.write(&document.with_context(|| path.clone())?)?;
            }
            let summary = writer.finish()?;
            let list = doc! { "listIndexes": &name };
            let indexes: Vec<Document> = database.run_cursor_command(list).await?.try_collect().await?;
            let info = database.list_collections().filter(doc! { "name": &name }).await?.try_next().await?;
            let options = info.map(|info| mongodb::bson::serialize_to_document(&info.options)).transpose()?;
            write_metadata(directory, &path, &Metadata { options: options.unwrap_or_default(), indexes })?;
            manifest.collections.insert(path, summary);
        }
    }
    // A restore that was started meanwhile renames collections, so the lists of collections above may be wrong.
    crate::restore::ensure_not_in_progress(fleet).await?;
    let text = serde_json::to_string_pretty(&manifest)?;
    fs::write(directory.join(MANIFEST), text + "\n")?;
    fs::File::open(directory.join(MANIFEST))?.sync_all()?;
    Ok(manifest)
}

/// The backups that were started before `limit`, finished or not.
fn older_than(backups: &Backups, limit: Timestamp) -> Result<Vec<String>> {
    // Before the first backup there is no directory.
    if !backups.0.exists() {
        return Ok(Vec::new());
    }
    let is_older =
        |name: &String| Manifest::read(&backups.0.join(name)).is_ok_and(|manifest| manifest.started_at < limit);
    let mut older: Vec<String> = backups.names()?.into_iter().filter(is_older).collect();
    // The name of an unfinished backup begins with the time of its start.
    let limit = limit.to_string().replace(':', "-");
    for entry in fs::read_dir(&backups.0)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(UNFINISHED) && name < limit {
            older.push(name);
        }
    }
    Ok(older)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn older_backups_and_unfinished_ones_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups(folder.path().join("backups"));
        let limit = time("2026-03-10T00:00:00Z");
        assert!(older_than(&backups, limit).unwrap().is_empty(), "there is no folder yet");
        for (name, started_at) in [("old", "2026-03-09T23:59:59Z"), ("2026-03-01T00-00-00Z", "2026-03-10T00:00:00Z")] {
            let directory = backups.0.join(name);
            fs::create_dir_all(&directory).unwrap();
            let manifest = Manifest::new("https://tickets.example.com", (7, 0), time(started_at));
            fs::write(directory.join(MANIFEST), serde_json::to_string(&manifest).unwrap()).unwrap();
        }
        for name in ["2026-03-09T00-00-00Z.unfinished", "2026-03-10T01-00-00Z.unfinished", "2026-03-01T00-00-00Z.other"]
        {
            fs::create_dir(backups.0.join(name)).unwrap();
        }
        assert_eq!(older_than(&backups, limit).unwrap(), ["old", "2026-03-09T00-00-00Z.unfinished"]);
    }
}
