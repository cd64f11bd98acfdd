//! What all six databases say, read one after the other. All of it is held in memory.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result};
use common::clock::{Clock, SystemClock};
use common::events::ENTITIES;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::Document;
use mongodb::{Client, Database};
use serde_json::Value;

use crate::fleet::SERVICES;

/// A document of a store, without its envelope.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its `_id`.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// What it is; of a replica, what was told of it.
    pub state: Value,
    /// How many events wait in its outbox.
    pub unpublished: usize,
    /// The key that it was created with.
    pub idempotency_key: Option<String>,
}

impl Entity {
    /// `state.status.name`, as it is stored; empty where there is none.
    pub fn status_name(&self) -> &str {
        self.state["status"]["name"].as_str().unwrap_or_default()
    }

    /// The status as a variant of this enum; `None` if the enum has no such status.
    pub fn status<S: FromStr>(&self) -> Option<S> {
        self.status_name().parse().ok()
    }
}

/// (database, collection, entity) of what other services keep copies of: every entity but timers.
pub const OWNERS: [(&str, &str, &str); 4] = {
    let [user, ticket, order, payment, _timer] = ENTITIES;
    [
        (user.source, "users", user.name),
        (ticket.source, "tickets", ticket.name),
        (order.source, "orders", order.name),
        (payment.source, "payments", payment.name),
    ]
};

/// What the owners have, and what others have copied.
#[derive(Debug)]
pub struct Books {
    /// When it was read.
    pub now: Timestamp,
    /// By collection of the owner: users, tickets, orders, payments.
    pub owned: BTreeMap<&'static str, Vec<Entity>>,
    /// (database, entity, what it holds).
    pub replicas: Vec<(String, String, Vec<Entity>)>,
}

impl Books {
    /// Reads everything.
    pub async fn read(client: &Client) -> Result<Self> {
        let mut owned = BTreeMap::new();
        for (database, collection, _) in OWNERS {
            owned.insert(collection, entities(&client.database(database), collection).await?);
        }
        let mut replicas = Vec::new();
        for database in SERVICES {
            let live = live_generation(&client.database(database)).await?;
            for collection in client.database(database).list_collection_names().await? {
                let Some(entity) = collection.strip_prefix("replica_") else { continue };
                let (entity, generation) = entity.rsplit_once("_v").unwrap_or((entity, "0"));
                if generation.parse() == Ok(live) {
                    let held = entities(&client.database(database), &collection).await?;
                    replicas.push((database.to_owned(), entity.to_owned(), held));
                }
            }
        }
        Ok(Self { now: SystemClock.now(), owned, replicas })
    }

    /// The entities in the collection of this owner.
    pub fn of(&self, collection: &str) -> &[Entity] {
        self.owned.get(collection).map(Vec::as_slice).unwrap_or_default()
    }

    /// How much was looked at.
    pub(crate) fn summary(&self) -> String {
        let counts = OWNERS.iter().map(|(_, collection, _)| format!("{} {collection}", self.of(collection).len()));
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// Which generation of its replicas a service reads; web's changes when its read model is built anew.
async fn live_generation(database: &Database) -> Result<i64> {
    let generations = database.collection::<Document>("read_model").find_one(Document::new()).await?;
    Ok(generations.map(|generations| generations.get_i64("live")).transpose()?.unwrap_or(0))
}

/// The documents of a store or a replica.
pub async fn entities(database: &Database, collection: &str) -> Result<Vec<Entity>> {
    let documents = database.collection::<Document>(collection);
    let found: Vec<Document> = documents.find(Document::new()).await?.try_collect().await?;
    found
        .into_iter()
        .map(|document| {
            let unpublished = document.get_array("outbox").map_or(0, Vec::len);
            let id = document.get_str("_id")?.to_owned();
            let version = u64::try_from(document.get_i64("version")?)?;
            let state = document.get("state").cloned().context("a document without a state")?;
            let key = document.get_document("idempotency").and_then(|claimed| claimed.get_str("key"));
            let idempotency_key = key.ok().map(ToOwned::to_owned);
            let state = mongodb::bson::deserialize_from_bson(state)?;
            Ok(Entity { id, version, state, unpublished, idempotency_key })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::OWNERS;

    #[test]
    fn a_collection_is_named_after_its_entity() {
        for (_, collection, entity) in OWNERS {
            assert_eq!(collection, format!("{entity}s"));
        }
    }
}
