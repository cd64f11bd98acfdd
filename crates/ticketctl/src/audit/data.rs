//! Loads the owned entities and the replicas of all six databases into memory, one database after the other.

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

/// A stored aggregate or replica.
#[derive(Debug, Clone)]
pub struct Entity {
    /// The `_id` of the document.
    pub id: String,
    /// The version of the entity.
    pub version: u64,
    /// The state of the aggregate; for a replica, the payload of the last event.
    pub state: Value,
    /// Number of unpublished events in the outbox.
    pub unpublished: usize,
    /// The idempotency key of the request that created it.
    pub idempotency_key: Option<String>,
}

impl Entity {
    /// The stored `state.status.name`; empty if there is none.
    pub fn status_name(&self) -> &str {
        text(&self.state["status"]["name"])
    }

    /// The status as a variant of an enum; `None` if the enum has no such status.
    pub fn status<S: FromStr>(&self) -> Option<S> {
        self.status_name().parse().ok()
    }
}

/// Owner's database, collection and name of the replicated entities: all except timers.
pub const REPLICATED_ENTITIES: [(&str, &str, &str); 4] = {
    let [user, ticket, order, payment, _timer] = ENTITIES;
    [
        (user.source, "users", user.name),
        (ticket.source, "tickets", ticket.name),
        (order.source, "orders", order.name),
        (payment.source, "payments", payment.name),
    ]
};

/// The owned entities and the replicas of all services.
#[derive(Debug)]
pub struct AuditData {
    /// When the databases were read.
    pub now: Timestamp,
    /// The entities by the collection of their owner: users, tickets, orders, payments.
    pub owned: BTreeMap<&'static str, Vec<Entity>>,
    /// Database, name of the entity, and replicas.
    pub replicas: Vec<(String, String, Vec<Entity>)>,
}

impl AuditData {
    /// Reads all databases.
    pub async fn read(client: &Client) -> Result<Self> {
        let mut owned = BTreeMap::new();
        for (database, collection, _) in REPLICATED_ENTITIES {
            owned.insert(collection, entities(&client.database(database), collection).await?);
        }
        let mut replicas = Vec::new();
        for database in SERVICES {
            let live = live_generation(&client.database(database)).await?;
            for collection in client.database(database).list_collection_names().await? {
                let Some(entity) = collection.strip_prefix("replica_") else { continue };
                let (entity, generation) = entity.rsplit_once("_v").unwrap_or((entity, "0"));
                if generation.parse() == Ok(live) {
                    let stored = entities(&client.database(database), &collection).await?;
                    replicas.push((database.to_owned(), entity.to_owned(), stored));
                }
            }
        }
        Ok(Self { now: SystemClock.now(), owned, replicas })
    }

    /// The entities in this collection of their owner.
    pub fn owned(&self, collection: &str) -> &[Entity] {
        self.owned.get(collection).map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of audited entities by collection.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let count = |(_, collection, _): (_, &str, _)| (collection.to_owned(), self.owned(collection).len());
        REPLICATED_ENTITIES.into_iter().map(count).collect()
    }
}

/// The live generation of the replicas; `web` increments it when its read model is rebuilt.
async fn live_generation(database: &Database) -> Result<i64> {
    let generations = database.collection::<Document>("read_model").find_one(Document::new()).await?;
    Ok(generations.map(|generations| generations.get_i64("live")).transpose()?.unwrap_or(0))
}

/// Reads every document of a collection of aggregates or replicas.
pub async fn entities(database: &Database, collection: &str) -> Result<Vec<Entity>> {
    let documents = database.collection::<Document>(collection);
    let found: Vec<Document> = documents.find(Document::new()).await?.try_collect().await?;
    found
        .into_iter()
        .map(|document| {
            let unpublished = document.get_array("outbox").map_or(0, Vec::len);
            let id = document.get_str("_id")?.to_owned();
            let version = u64::try_from(document.get_i64("version")?)?;
            let state = document.get("state").cloned().context("a document has no state")?;
            let key = document.get_document("idempotency").and_then(|record| record.get_str("key"));
            let idempotency_key = key.ok().map(ToOwned::to_owned);
            let state = mongodb::bson::deserialize_from_bson(state)?;
            Ok(Entity { id, version, state, unpublished, idempotency_key })
        })
        .collect()
}

/// The string; empty if the value is not a string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::REPLICATED_ENTITIES;

    #[test]
    fn collections_are_named_after_their_entity() {
        for (_, collection, entity) in REPLICATED_ENTITIES {
            assert_eq!(collection, format!("{entity}s"));
        }
    }
}
