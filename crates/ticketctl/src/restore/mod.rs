//! Bringing the databases back as they were at a backup.
//!
//! # Why
//! Nothing of what is there is touched before all that is to replace it stands beside it, whole and indexed, in
//! collections named `restoring.…`. Then names are changed: what was there becomes `replaced.…`, what stood
//! beside it takes its place. That takes moments, and goes back by itself when it fails. A document in the
//! database `ticketctl` says how far it got, so that a run which was killed can be taken back too; the replaced
//! collections are kept until `finish` has found the books right.

mod load;
mod loss;
mod plan;
pub(crate) mod settle;

use anyhow::{Context, Result, bail};

use self::plan::{Plan, Stage};
use crate::backup::{Backups, Manifest, read};
use crate::fleet::Fleet;
use crate::streams;

/// How the names of collections begin that are no part of the running fleet.
const RESTORING: &str = "restoring.";
const REPLACED: &str = "replaced.";

/// Whether a restore keeps this collection beside those of the fleet.
pub(crate) fn is_set_aside(collection: &str) -> bool {
    collection.starts_with(RESTORING) || collection.starts_with(REPLACED)
}

/// Refuses to go on while a restore is not finished.
pub(crate) async fn ensure_none(fleet: &Fleet) -> Result<()> {
    if let Some(plan) = Plan::find(fleet).await? {
        bail!("the restore of {} is not finished: `restore finish` ends it, `restore back` takes it back", plan.backup);
    }
    Ok(())
}

/// Reads the backup to its end and says what would be lost.
pub(crate) async fn check(fleet: &Fleet, backups: &Backups, name: Option<String>) -> Result<()> {
    checked(fleet, backups, name).await.map(|_| ())
}

async fn checked(fleet: &Fleet, backups: &Backups, name: Option<String>) -> Result<(std::path::PathBuf, Manifest)> {
    let folder = backups.find(name)?;
    let refused = || format!("nothing was changed: {} can't be restored", folder.display());
    let manifest = Manifest::of(&folder).with_context(refused)?;
    manifest.ensure_fits(&fleet.public_url, fleet.mongodb_version().await?).with_context(refused)?;
    ensure_none(fleet).await.with_context(refused)?;
    read::verify(&folder, &manifest).with_context(refused)?;
    println!("{} is whole: {}", folder.display(), manifest.summary());
    loss::tell(fleet, &manifest).await?;
    Ok((folder, manifest))
}

/// Puts the backup in the place of what is there, and removes the streams.
pub(crate) async fn load(fleet: &Fleet, backups: &Backups, name: Option<String>) -> Result<()> {
    fleet.ensure_stopped().await?;
    let (folder, manifest) = checked(fleet, backups, name).await?;
    // Before anything is changed: without NATS the streams could not be removed.
    let jetstream = streams::connect(fleet).await.context("nothing was changed")?;
    // What a load that failed has left: nothing was replaced by it.
    remove(fleet, RESTORING).await?;
    load::beside(fleet, &folder, &manifest).await.context("nothing was changed: the backup could not be loaded")?;
    fleet.ensure_stopped().await?;
    let plan = Plan::begin(fleet, &folder, &manifest).await?;
    let replaced = async {
        plan.swap(fleet).await.context("the names could not be changed")?;
        streams::remove(&jetstream, &fleet.nats_prefix).await?;
        plan.reach(fleet, Stage::Loaded).await
    };
    if let Err(error) = replaced.await {
        plan.back(fleet).await.context("run `restore back`: taking the restore back failed as well")?;
        return Err(error.context("the databases are as they were; resync every owner, since streams may be gone"));
    }
    println!(
        "the databases are as they were shortly after {}; what was there is kept until `restore finish`",
        manifest.began
    );
    Ok(())
}

/// Prints how far the restore got that is not finished; `none` where there is none.
pub(crate) async fn status(fleet: &Fleet) -> Result<()> {
    match Plan::find(fleet).await? {
        Some(plan) => println!("{}", plan.stage),
        None => println!("none"),
    }
    Ok(())
}

/// Removes the streams, where something else than [`load`] brought the databases back.
pub(crate) async fn remove_streams(fleet: &Fleet) -> Result<()> {
    fleet.ensure_stopped().await?;
    streams::remove(&streams::connect(fleet).await?, &fleet.nats_prefix).await
}

/// Brings back what a restore has replaced.
pub(crate) async fn back(fleet: &Fleet, although_opened: bool) -> Result<()> {
    fleet.ensure_stopped().await?;
    let Some(plan) = Plan::find(fleet).await? else {
        remove(fleet, RESTORING).await?;
        println!("nothing was replaced: the databases are as they were");
        return Ok(());
    };
    if plan.stage == Stage::Ending {
        bail!("nothing was changed: a part of what was replaced is gone already; `restore finish` removes the rest");
    }
    if let Some(opened) = plan.opened.filter(|_| !although_opened) {
        bail!(
            "nothing was changed: the restored shop has been open since {opened}. What `restore settle` has given back \
             would be sold again without a charge, and what was bought since is lost. To do it all the same: \
             `restore back --although-opened`, and once the services run `restore settle --since {opened}`"
        );
    }
    // They tell of the restored fleet. Removed first: this may be run again until all of it is done.
    streams::remove(&streams::connect(fleet).await?, &fleet.nats_prefix).await?;
    plan.back(fleet).await?;
    println!("what the backup {} had replaced is there again", plan.backup);
    println!("start the services, then resync auth, tickets, orders, payments and expiration");
    Ok(())
}

/// Removes every collection whose name begins so.
async fn remove(fleet: &Fleet, prefix: &str) -> Result<()> {
    for (_, database) in fleet.databases() {
        for name in database.list_collection_names().await?.iter().filter(|name| name.starts_with(prefix)) {
            database.collection::<mongodb::bson::Document>(name).drop().await?;
        }
    }
    Ok(())
}
