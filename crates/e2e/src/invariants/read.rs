//! Everything that is there to be checked, read at one go.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use common::clock::{Clock, SystemClock};
use common::timestamp::Timestamp;
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::Document;
use serde_json::Value;

use crate::shop::Shop;

/// A document of a store, without its envelope.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) state: Value,
    pub(super) unpublished: usize,
}

impl Entity {
    /// `state.status.name`.
    pub(super) fn status(&self) -> &str {
        self.state["status"]["name"].as_str().unwrap_or_default()
    }
}

/// Databases, streams and the card network.
pub(super) struct World {
    pub(super) now: Timestamp,
    /// By collection of the owner: users, tickets, orders, payments.
    pub(super) owned: BTreeMap<&'static str, Vec<Entity>>,
    /// (database, entity, what it holds).
    pub(super) replicas: Vec<(String, String, Vec<Entity>)>,
    /// Envelopes by entity.
    pub(super) events: BTreeMap<String, Vec<Value>>,
    /// (consumer, messages that are pending or unacknowledged).
    pub(super) unhandled: Vec<(String, u64)>,
    pub(super) dead_letters: u64,
    pub(super) card_network: Value,
}

/// (database, collection, entity).
pub(super) const OWNERS: [(&str, &str, &str); 4] = [
    ("auth", "users", "user"),
    ("tickets", "tickets", "ticket"),
    ("orders", "orders", "order"),
    ("payments", "payments", "payment"),
];

impl World {
    pub(super) async fn read(shop: &Shop) -> Result<Self> {
        let client = mongodb::Client::with_uri_str(shop.fleet.servers().mongodb.url()).await?;
        let mut owned = BTreeMap::new();
        for (database, collection, _) in OWNERS {
            owned.insert(collection, entities(&client, database, collection).await?);
        }
        let mut replicas = Vec::new();
        for database in testkit::fleet::SERVICES {
            for collection in client.database(database).list_collection_names().await? {
                if let Some(entity) = collection.strip_prefix("replica_") {
                    let held = entities(&client, database, &collection).await?;
                    replicas.push((database.to_owned(), entity.to_owned(), held));
                }
            }
        }
        let nats = async_nats::connect(shop.fleet.servers().nats.url()).await?;
        let jetstream = jetstream::new(nats);
        let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let (mut unhandled, mut dead_letters) = (Vec::new(), 0);
        let streams: Vec<_> = jetstream.stream_names().try_collect().await?;
        for name in streams {
            let stream = jetstream.get_stream(&name).await?;
            let messages = stream.cached_info().state.messages;
            if name.ends_with("dead-letters") {
                dead_letters = messages;
                continue;
            }
            let mut consumers = stream.consumers();
            while let Some(consumer) = consumers.try_next().await? {
                // Readers like this one have no name that lasts.
                if consumer.config.durable_name.is_some() {
                    unhandled.push((consumer.name, consumer.num_pending + consumer.num_ack_pending as u64));
                }
            }
            let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
            let mut reader = stream.create_consumer(config).await?.messages().await?;
            for _ in 0..messages {
                let message = reader.next().await.context("a stream ended early")??;
                let event: Value = serde_json::from_slice(&message.payload)?;
                let entity = event["type"].as_str().and_then(|kind| kind.split('.').next()).unwrap_or_default();
                events.entry(entity.to_owned()).or_default().push(event);
            }
        }
        let card_network = shop.card_network().await?;
        Ok(Self { now: SystemClock.now(), owned, replicas, events, unhandled, dead_letters, card_network })
    }

    pub(super) fn of(&self, collection: &str) -> &[Entity] {
        self.owned.get(collection).map(Vec::as_slice).unwrap_or_default()
    }
}

async fn entities(client: &mongodb::Client, database: &str, collection: &str) -> Result<Vec<Entity>> {
    let documents = client.database(database).collection::<Document>(collection);
    let found: Vec<Document> = documents.find(Document::new()).await?.try_collect().await?;
    found
        .into_iter()
        .map(|document| {
            let unpublished = document.get_array("outbox").map_or(0, Vec::len);
            let id = document.get_str("_id")?.to_owned();
            let version = u64::try_from(document.get_i64("version")?)?;
            let state = document.get("state").cloned().context("a document without a state")?;
            Ok(Entity { id, version, state: mongodb::bson::deserialize_from_bson(state)?, unpublished })
        })
        .collect()
}
