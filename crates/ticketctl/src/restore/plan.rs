//! What a restore replaces by what, written down before the first name is changed.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Namespace};
use serde::{Deserialize, Serialize};

use super::{REPLACED, RESTORING, is_set_aside, remove};
use crate::backup::Manifest;
use crate::fleet::Fleet;

/// How far a restore got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Stage {
    /// Names are being changed, or streams removed: the databases may be of two moments.
    Swapping,
    /// The databases are those of the backup.
    Loaded,
    /// Copies equal their owners, and what moved since the backup was given back.
    Settled,
    /// The books are right, and what was replaced is being removed: there is no way back.
    Ending,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Swapping => "swapping",
            Self::Loaded => "loaded",
            Self::Settled => "settled",
            Self::Ending => "ending",
        })
    }
}

/// A restore that is under way, or not finished; there is at most one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    #[serde(rename = "_id")]
    id: String,
    /// The backup's folder.
    pub(super) backup: String,
    /// The moment of the backup.
    pub(super) began: Timestamp,
    /// How far it got.
    pub(super) stage: Stage,
    /// When the services of the restored fleet were started. From then on people buy, and charges are refunded.
    pub(super) opened: Option<Timestamp>,
    /// What was there, as `database.collection`.
    replaced: BTreeSet<String>,
    /// What takes its place.
    restored: BTreeSet<String>,
}

const ID: &str = "restore";

fn plans(fleet: &Fleet) -> Collection<Plan> {
    fleet.client.database("ticketctl").collection("restores")
}

impl Plan {
    /// The restore that is not finished.
    pub(super) async fn find(fleet: &Fleet) -> Result<Option<Self>> {
        Ok(plans(fleet).find_one(doc! { "_id": ID }).await?)
    }

    /// Writes down what is about to be done.
    pub(super) async fn begin(fleet: &Fleet, folder: &Path, manifest: &Manifest) -> Result<Self> {
        let mut replaced = BTreeSet::new();
        for (service, database) in fleet.databases() {
            let names = database.list_collection_names().await?;
            if let Some(name) = names.iter().find(|name| name.starts_with(REPLACED)) {
                bail!("nothing was changed: {service}.{name} is there and no restore is under way; rename or drop it");
            }
            let names = names.iter().filter(|name| !is_set_aside(name) && !name.starts_with("system."));
            replaced.extend(names.map(|name| format!("{service}.{name}")));
        }
        let restored = manifest.collections.keys().map(|path| path.replacen('/', ".", 1)).collect();
        let backup = folder.display().to_string();
        let (stage, opened) = (Stage::Swapping, None);
        let plan = Self { id: ID.to_owned(), backup, began: manifest.began, stage, opened, replaced, restored };
        plans(fleet).insert_one(&plan).await?;
        Ok(plan)
    }

    /// Changes the names: all of what is there, also what the backup has nothing of, since the six are of one moment.
    pub(super) async fn swap(&self, fleet: &Fleet) -> Result<()> {
        for namespace in &self.replaced {
            rename(fleet, namespace, &prefixed(namespace, REPLACED)).await?;
        }
        for namespace in &self.restored {
            rename(fleet, &prefixed(namespace, RESTORING), namespace).await?;
        }
        Ok(())
    }

    /// Takes the swap back, however far it got, and forgets the restore. May be run again.
    pub(super) async fn back(&self, fleet: &Fleet) -> Result<()> {
        let there = existing(fleet).await?;
        for namespace in self.restored.union(&self.replaced) {
            let kept = prefixed(namespace, REPLACED);
            if there.contains(&kept) {
                drop_if_there(fleet, &there, namespace).await?;
                rename(fleet, &kept, namespace).await?;
            } else if !self.replaced.contains(namespace) {
                drop_if_there(fleet, &there, namespace).await?;
            }
        }
        // Services made these in the restored fleet.
        for namespace in there.iter().filter(|namespace| !is_aside(namespace)) {
            if !self.restored.contains(namespace) && !self.replaced.contains(namespace) {
                drop_if_there(fleet, &there, namespace).await?;
            }
        }
        remove(fleet, RESTORING).await?;
        self.forget(fleet).await
    }

    /// Writes down how far it got.
    pub(super) async fn reach(&self, fleet: &Fleet, stage: Stage) -> Result<()> {
        plans(fleet).update_one(doc! { "_id": ID }, doc! { "$set": { "stage": stage.to_string() } }).await?;
        Ok(())
    }

    /// Writes down that the services take requests from now on, unless they did before.
    pub(super) async fn open(&self, fleet: &Fleet, now: Timestamp) -> Result<()> {
        let closed = doc! { "_id": ID, "opened": null };
        plans(fleet).update_one(closed, doc! { "$set": { "opened": now.to_string() } }).await?;
        Ok(())
    }

    /// Removes what was replaced, and the plan.
    pub(super) async fn end(&self, fleet: &Fleet) -> Result<()> {
        // Once a part of it is gone, the rest can't be brought back.
        self.reach(fleet, Stage::Ending).await?;
        remove(fleet, REPLACED).await?;
        self.forget(fleet).await
    }

    async fn forget(&self, fleet: &Fleet) -> Result<()> {
        plans(fleet).delete_one(doc! { "_id": ID }).await?;
        Ok(())
    }
}

/// `orders.orders` as `orders.replaced.orders`.
fn prefixed(namespace: &str, prefix: &str) -> String {
    namespace.replacen('.', &format!(".{prefix}"), 1)
}

fn is_aside(namespace: &str) -> bool {
    namespace.split_once('.').is_some_and(|(_, name)| is_set_aside(name))
}

async fn existing(fleet: &Fleet) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for (service, database) in fleet.databases() {
        let found: Vec<_> = database.list_collections().await?.try_collect().await?;
        let names = found.into_iter().map(|info| info.name).filter(|name| !name.starts_with("system."));
        all.extend(names.map(|name| format!("{service}.{name}")));
    }
    Ok(all)
}

async fn rename(fleet: &Fleet, from: &str, to: &str) -> Result<()> {
    let command = doc! {
        "renameCollection": from,
        "to": to,
        "writeConcern": { "w": "majority", "j": true },
    };
    fleet.client.database("admin").run_command(command).await?;
    Ok(())
}

async fn drop_if_there(fleet: &Fleet, there: &BTreeSet<String>, namespace: &str) -> Result<()> {
    if there.contains(namespace) {
        let (service, name) = namespace.split_once('.').unwrap_or((namespace, ""));
        let namespace = Namespace::new(service, name);
        fleet.client.database(&namespace.db).collection::<Document>(&namespace.coll).drop().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_database() {
        assert_eq!(prefixed("web.replica_order", REPLACED), "web.replaced.replica_order");
        assert!(is_aside("web.replaced.replica_order") && !is_aside("web.replica_order"));
    }
}
