//! Restores the databases from a backup.
//!
//! # Why
//! Current collections are left alone until the complete backup is loaded and indexed in staging collections named
//! `restoring.…`. Then collections are renamed: the current ones to `replaced.…`, the staging ones to their final
//! names. That takes moments, and is rolled back automatically if it fails. The restore state is stored in the database
//! `ticketctl`, so that the restore can be rolled back even after the process was killed. The replaced collections are
//! kept until the audit of `finish` passes.

mod load;
mod loss;
pub(crate) mod settle;
mod state;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use self::state::{RestoreState, Stage};
use crate::backup::files::{read_metadata, verify_documents};
use crate::backup::{Backups, Manifest};
use crate::confirm::ask;
use crate::fleet::Fleet;
use crate::output::{Rejected, text_of};
use crate::reports::restore::{
    RestoreCheck, RestoreLoaded, RestoreRolledBack, RestoreStatus, StreamMessages, StreamsDeleted,
};
use crate::streams;

/// Name prefixes of the collections that belong to a restore, not to the running fleet.
const RESTORING: &str = "restoring.";
const REPLACED: &str = "replaced.";

/// Whether the collection belongs to a restore.
pub(crate) fn is_staging(collection: &str) -> bool {
    collection.starts_with(RESTORING) || collection.starts_with(REPLACED)
}

/// Fails while a restore is in progress.
pub(crate) async fn ensure_not_in_progress(fleet: &Fleet) -> Result<()> {
    if let Some(RestoreState { backup, .. }) = RestoreState::find(fleet).await? {
        bail!(Rejected(format!(
            "the restore of {backup} is not finished: `restore finish` completes it, `restore rollback` undoes it"
        )));
    }
    Ok(())
}

/// Verifies a backup completely and counts what restoring it would lose.
pub(crate) async fn check(
    fleet: &Fleet,
    backups: &Backups,
    name: Option<String>,
) -> Result<(PathBuf, Manifest, RestoreCheck)> {
    let directory = backups.find(name)?;
    let rejected = || Rejected(format!("{} can't be restored", directory.display()));
    let manifest = Manifest::read(&directory).with_context(rejected)?;
    let version = fleet.feature_compatibility_version().await?;
    manifest.ensure_restorable(&fleet.args.public_url, version).with_context(rejected)?;
    ensure_not_in_progress(fleet).await?;
    for (path, expected) in &manifest.collections {
        let metadata = read_metadata(&directory, path);
        let verified = metadata.and_then(|_| verify_documents(&directory, path, expected));
        verified.with_context(|| format!("{path} is damaged")).with_context(rejected)?;
    }
    let (losses, purchases) = loss::count(fleet, &manifest).await?;
    let report =
        RestoreCheck { directory: directory.display().to_string(), summary: manifest.summary(), losses, purchases };
    Ok((directory, manifest, report))
}

/// Replaces the databases with the backup and deletes the streams, after asking.
pub(crate) async fn load(fleet: &Fleet, backups: &Backups, name: Option<String>, yes: bool) -> Result<RestoreLoaded> {
    fleet.ensure_stopped().await?;
    let (directory, manifest, report) = check(fleet, backups, name).await?;
    // Connect before anything is changed, because without NATS the streams can't be deleted.
    let jetstream = streams::connect(&fleet.args).await.context("nothing was changed")?;
    let streams = streams::list(&jetstream, &fleet.args.nats_prefix).await?;
    let plan = "all databases will be replaced by this backup (`restore rollback` undoes it)";
    ask(&format!("{}\n{plan}; {}", text_of(&report)?, plan_of_streams(&streams)), yes)?;
    // Delete the leftovers of a failed load.
    drop_with_prefix(fleet, RESTORING).await?;
    let loaded = load::load_staging(fleet, &directory, &manifest).await;
    loaded.context("nothing was changed: the backup could not be loaded")?;
    fleet.ensure_stopped().await?;
    let state = RestoreState::create(fleet, &directory, &manifest).await?;
    let replaced = async {
        state.swap(fleet).await.context("the collections could not be renamed")?;
        let deleted_streams = streams::delete(&jetstream, &fleet.args.nats_prefix).await?;
        state.set_stage(fleet, Stage::Loaded).await?;
        anyhow::Ok(deleted_streams)
    };
    match replaced.await {
        Ok(deleted_streams) => {
            Ok(RestoreLoaded { directory: report.directory, summary: report.summary, deleted_streams })
        }
        Err(error) => {
            state.roll_back(fleet).await.context("run `restore rollback`: the automatic rollback failed as well")?;
            Err(error.context("the databases are unchanged; resync every owner, because streams may be deleted"))
        }
    }
}

fn plan_of_streams(streams: &[StreamMessages]) -> String {
    let messages: u64 = streams.iter().map(|stream| stream.messages).sum();
    format!("{} streams with {messages} messages will be deleted", streams.len())
}

/// The stage of the unfinished restore, or `none`.
pub(crate) async fn status(fleet: &Fleet) -> Result<RestoreStatus> {
    let state = RestoreState::find(fleet).await?;
    Ok(RestoreStatus { stage: state.map_or("none".to_owned(), |state| state.stage.to_string()) })
}

/// Deletes the streams after the databases were restored by other means than [`load()`], after asking.
pub(crate) async fn delete_streams(fleet: &Fleet, yes: bool) -> Result<StreamsDeleted> {
    fleet.ensure_stopped().await?;
    let jetstream = streams::connect(&fleet.args).await?;
    ask(&plan_of_streams(&streams::list(&jetstream, &fleet.args.nats_prefix).await?), yes)?;
    fleet.ensure_stopped().await?;
    Ok(StreamsDeleted { deleted: streams::delete(&jetstream, &fleet.args.nats_prefix).await? })
}

/// Restores the replaced collections, after asking.
pub(crate) async fn roll_back(fleet: &Fleet, force_after_open: bool, yes: bool) -> Result<RestoreRolledBack> {
    fleet.ensure_stopped().await?;
    let Some(state) = RestoreState::find(fleet).await? else {
        // Leftovers of a failed load, which never were data of the fleet.
        drop_with_prefix(fleet, RESTORING).await?;
        return Ok(RestoreRolledBack { backup: None, deleted_streams: Vec::new() });
    };
    if state.stage == Stage::Ending {
        bail!(Rejected("a part of the replaced data is gone already; `restore finish` deletes the rest".to_owned()));
    }
    if let Some(since) = state.serving_since.filter(|_| !force_after_open) {
        bail!(Rejected(format!(
            "the restored fleet has served requests since {since}. A rollback would complete purchases again that \
             `restore settle` has refunded, and lose later purchases. To roll back nevertheless, run `restore rollback \
             --force-after-open`, and once the services run `restore settle --since {since}`"
        )));
    }
    let jetstream = streams::connect(&fleet.args).await?;
    let streams = streams::list(&jetstream, &fleet.args.nats_prefix).await?;
    let documents = count_with_prefix(fleet, REPLACED).await?;
    ask(
        &format!(
            "the databases of the backup {} will be deleted, and {documents} replaced documents restored; {}",
            state.backup,
            plan_of_streams(&streams)
        ),
        yes,
    )?;
    fleet.ensure_stopped().await?;
    // The streams contain events of the restored fleet. Delete them first, so that a failed rollback can be repeated.
    let deleted_streams = streams::delete(&jetstream, &fleet.args.nats_prefix).await?;
    state.roll_back(fleet).await?;
    Ok(RestoreRolledBack { backup: Some(state.backup), deleted_streams })
}

/// Number of documents in all collections whose names have this prefix.
async fn count_with_prefix(fleet: &Fleet, prefix: &str) -> Result<u64> {
    let mut documents = 0;
    for (_, database) in fleet.databases() {
        for name in database.list_collection_names().await?.iter().filter(|name| name.starts_with(prefix)) {
            documents += database.collection::<mongodb::bson::Document>(name).estimated_document_count().await?;
        }
    }
    Ok(documents)
}

/// Drops every collection whose name has this prefix.
async fn drop_with_prefix(fleet: &Fleet, prefix: &str) -> Result<()> {
    for (_, database) in fleet.databases() {
        for name in database.list_collection_names().await?.iter().filter(|name| name.starts_with(prefix)) {
            database.collection::<mongodb::bson::Document>(name).drop().await?;
        }
    }
    Ok(())
}
