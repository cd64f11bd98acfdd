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
use crate::fleet::Fleet;
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
        bail!("the restore of {backup} is not finished: `restore finish` completes it, `restore rollback` undoes it");
    }
    Ok(())
}

/// Verifies a backup completely and prints what restoring it would lose.
pub(crate) async fn check(fleet: &Fleet, backups: &Backups, name: Option<String>) -> Result<(PathBuf, Manifest)> {
    let directory = backups.find(name)?;
    let rejected = || format!("nothing was changed: {} can't be restored", directory.display());
    let manifest = Manifest::read(&directory).with_context(rejected)?;
    let version = fleet.feature_compatibility_version().await?;
    manifest.ensure_restorable(&fleet.args.public_url, version).with_context(rejected)?;
    ensure_not_in_progress(fleet).await.with_context(rejected)?;
    for (path, expected) in &manifest.collections {
        let metadata = read_metadata(&directory, path);
        let verified = metadata.and_then(|_| verify_documents(&directory, path, expected));
        verified.with_context(|| format!("{path} is damaged")).with_context(rejected)?;
    }
    // infra/operations/restore.sh parses this line.
    println!("{} is whole: {}", directory.display(), manifest.summary());
    loss::print(fleet, &manifest).await?;
    Ok((directory, manifest))
}

/// Replaces the databases with the backup and deletes the streams.
pub(crate) async fn load(fleet: &Fleet, backups: &Backups, name: Option<String>) -> Result<()> {
    fleet.ensure_stopped().await?;
    let (directory, manifest) = check(fleet, backups, name).await?;
    // Connect before anything is changed, because without NATS the streams can't be deleted.
    let jetstream = streams::connect(fleet).await.context("nothing was changed")?;
    // Delete the leftovers of a failed load.
    drop_with_prefix(fleet, RESTORING).await?;
    let loaded = load::load_staging(fleet, &directory, &manifest).await;
    loaded.context("nothing was changed: the backup could not be loaded")?;
    fleet.ensure_stopped().await?;
    let state = RestoreState::create(fleet, &directory, &manifest).await?;
    let replaced = async {
        state.swap(fleet).await.context("the collections could not be renamed")?;
        streams::delete(&jetstream, &fleet.args.nats_prefix).await?;
        state.set_stage(fleet, Stage::Loaded).await
    };
    if let Err(error) = replaced.await {
        state.roll_back(fleet).await.context("run `restore rollback`: the automatic rollback failed as well")?;
        return Err(error.context("the databases are unchanged; resync every owner, because streams may be deleted"));
    }
    println!(
        "the databases are as they were shortly after {}; the replaced collections are kept until `restore finish`",
        manifest.started_at
    );
    Ok(())
}

/// Prints the stage of the unfinished restore, or `none`.
pub(crate) async fn status(fleet: &Fleet) -> Result<()> {
    let state = RestoreState::find(fleet).await?;
    println!("{}", state.map_or("none".to_owned(), |state| state.stage.to_string()));
    Ok(())
}

/// Deletes the streams after the databases were restored by other means than [`load`].
pub(crate) async fn delete_streams(fleet: &Fleet) -> Result<()> {
    fleet.ensure_stopped().await?;
    streams::delete(&streams::connect(fleet).await?, &fleet.args.nats_prefix).await
}

/// Restores the replaced collections.
pub(crate) async fn roll_back(fleet: &Fleet, force_after_open: bool) -> Result<()> {
    fleet.ensure_stopped().await?;
    let Some(state) = RestoreState::find(fleet).await? else {
        drop_with_prefix(fleet, RESTORING).await?;
        println!("nothing was replaced: the databases are unchanged");
        return Ok(());
    };
    if state.stage == Stage::Ending {
        bail!("nothing was changed: a part of the replaced data is gone already; `restore finish` deletes the rest");
    }
    if let Some(since) = state.serving_since.filter(|_| !force_after_open) {
        bail!(
            "nothing was changed: the restored fleet has served requests since {since}. A rollback would complete \
             purchases again that `restore settle` has refunded, and lose later purchases. To roll back nevertheless, \
             run `restore rollback --force-after-open`, and once the services run `restore settle --since {since}`"
        );
    }
    // The streams contain events of the restored fleet. Delete them first, so that a failed rollback can be repeated.
    streams::delete(&streams::connect(fleet).await?, &fleet.args.nats_prefix).await?;
    state.roll_back(fleet).await?;
    println!("the data that the backup {} had replaced is restored", state.backup);
    println!("start the services, then resync auth, tickets, orders, payments and expiration");
    Ok(())
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
