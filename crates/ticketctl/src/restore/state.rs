//! The persisted state of a restore: its stage, and the collections that it swaps. Stored before the first rename.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use common::timestamp::Timestamp;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::{REPLACED, RESTORING, drop_with_prefix};
use crate::backup::Manifest;
use crate::fleet::Fleet;
use crate::output::Rejected;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Stage {
    /// Collections are being renamed or streams deleted. The databases may be a mix of two points in time.
    Swapping,
    /// The databases are those of the backup.
    Loaded,
    /// Replicas are consistent with their owners, and charges since the backup are refunded.
    Settled,
    /// The audit has passed and the replaced collections are being deleted. A rollback is no longer possible.
    Ending,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The unfinished restore; there is at most one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoreState {
    #[serde(rename = "_id")]
    id: String,
    /// The directory of the backup.
    pub(super) backup: String,
    /// Start of the backup.
    #[serde(rename = "began")]
    pub(super) backup_started_at: Timestamp,
    pub(super) stage: Stage,
    /// When the restored fleet was started. From then on it accepts purchases and refunds charges.
    #[serde(rename = "opened")]
    pub(super) serving_since: Option<Timestamp>,
    /// The collections to replace, as `database.collection`.
    replaced: BTreeSet<String>,
    /// The collections of the backup, as `database.collection`.
    restored: BTreeSet<String>,
}

const ID: &str = "restore";

fn states(fleet: &Fleet) -> Collection<RestoreState> {
    fleet.client.database("ticketctl").collection("restores")
}

impl RestoreState {
    pub(super) async fn find(fleet: &Fleet) -> Result<Option<Self>> {
        Ok(states(fleet).find_one(doc! { "_id": ID }).await?)
    }

    pub(super) async fn create(fleet: &Fleet, directory: &Path, manifest: &Manifest) -> Result<Self> {
        let existing = existing_collections(fleet).await?;
        if let Some(namespace) = existing.iter().find(|namespace| has_prefix(namespace, REPLACED)) {
            bail!(Rejected(format!("{namespace} exists but no restore is in progress; rename or drop it")));
        }
        let replaced = existing.into_iter().filter(|namespace| !has_prefix(namespace, RESTORING)).collect();
        let restored = manifest.collections.keys().map(|path| path.replacen('/', ".", 1)).collect();
        let state = Self {
            id: ID.to_owned(),
            backup: directory.display().to_string(),
            backup_started_at: manifest.started_at,
            stage: Stage::Swapping,
            serving_since: None,
            replaced,
            restored,
        };
        states(fleet).insert_one(&state).await?;
        Ok(state)
    }

    /// Renames all collections, including those that the backup lacks, because all databases must be from one point in
    /// time.
    pub(super) async fn swap(&self, fleet: &Fleet) -> Result<()> {
        for namespace in &self.replaced {
            rename(fleet, namespace, &prefixed(namespace, REPLACED)).await?;
        }
        for namespace in &self.restored {
            rename(fleet, &prefixed(namespace, RESTORING), namespace).await?;
        }
        Ok(())
    }

    /// Undoes the completed part of the swap and deletes the restore state. Idempotent.
    pub(super) async fn roll_back(&self, fleet: &Fleet) -> Result<()> {
        let existing = existing_collections(fleet).await?;
        for namespace in self.restored.union(&self.replaced) {
            let original = prefixed(namespace, REPLACED);
            if existing.contains(&original) {
                drop_if_exists(fleet, &existing, namespace).await?;
                rename(fleet, &original, namespace).await?;
            } else if !self.replaced.contains(namespace) {
                drop_if_exists(fleet, &existing, namespace).await?;
            }
        }
        // Collections that services created in the restored fleet.
        for namespace in
            existing.iter().filter(|namespace| !has_prefix(namespace, RESTORING) && !has_prefix(namespace, REPLACED))
        {
            if !self.restored.contains(namespace) && !self.replaced.contains(namespace) {
                drop_if_exists(fleet, &existing, namespace).await?;
            }
        }
        drop_with_prefix(fleet, RESTORING).await?;
        self.delete(fleet).await
    }

    pub(super) async fn set_stage(&self, fleet: &Fleet, stage: Stage) -> Result<()> {
        states(fleet).update_one(doc! { "_id": ID }, doc! { "$set": { "stage": stage.to_string() } }).await?;
        Ok(())
    }

    /// Records that the restored fleet has served requests since `now`, unless an earlier time is already recorded.
    pub(super) async fn mark_serving(&self, fleet: &Fleet, now: Timestamp) -> Result<()> {
        let not_serving = doc! { "_id": ID, "opened": null };
        states(fleet).update_one(not_serving, doc! { "$set": { "opened": now.to_string() } }).await?;
        Ok(())
    }

    /// Deletes the replaced collections and the restore state.
    pub(super) async fn finalize(&self, fleet: &Fleet) -> Result<()> {
        // Once a collection is deleted, a rollback is no longer possible.
        self.set_stage(fleet, Stage::Ending).await?;
        drop_with_prefix(fleet, REPLACED).await?;
        self.delete(fleet).await
    }

    async fn delete(&self, fleet: &Fleet) -> Result<()> {
        states(fleet).delete_one(doc! { "_id": ID }).await?;
        Ok(())
    }
}

/// `orders.orders` as `orders.replaced.orders`.
fn prefixed(namespace: &str, prefix: &str) -> String {
    namespace.replacen('.', &format!(".{prefix}"), 1)
}

fn has_prefix(namespace: &str, prefix: &str) -> bool {
    namespace.split_once('.').is_some_and(|(_, name)| name.starts_with(prefix))
}

async fn existing_collections(fleet: &Fleet) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for (service, database) in fleet.databases() {
        let names = database.list_collection_names().await?.into_iter().filter(|name| !name.starts_with("system."));
        all.extend(names.map(|name| format!("{service}.{name}")));
    }
    Ok(all)
}

async fn rename(fleet: &Fleet, from: &str, to: &str) -> Result<()> {
    let command = doc! { "renameCollection": from, "to": to, "writeConcern": { "w": "majority", "j": true } };
    fleet.client.database("admin").run_command(command).await?;
    Ok(())
}

async fn drop_if_exists(fleet: &Fleet, existing: &BTreeSet<String>, namespace: &str) -> Result<()> {
    if let Some((service, name)) = namespace.split_once('.').filter(|_| existing.contains(namespace)) {
        fleet.client.database(service).collection::<Document>(name).drop().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_added_to_the_collection_name() {
        assert_eq!(prefixed("web.replica_order", REPLACED), "web.replaced.replica_order");
        assert!(has_prefix("web.replaced.replica_order", REPLACED) && !has_prefix("web.replica_order", REPLACED));
    }
}
