//! Everything that is there to be checked, read at one go.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use common::clock::{Clock, SystemClock};
use common::timestamp::Timestamp;
use futures::{StreamExt, TryStreamExt};
use mongodb::Database;
use mongodb::bson::Document;
use serde_json::Value;

use crate::shop::Shop;

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
    /// `state.status.name`.
    pub(super) fn status(&self) -> &str {
        self.state["status"]["name"].as_str().unwrap_or_default()
    }
}

/// Databases, streams and the card network.
pub struct World {
    /// When it was read.
    pub now: Timestamp,
    /// By collection of the owner: users, tickets, orders, payments.
    pub owned: BTreeMap<&'static str, Vec<Entity>>,
    /// (database, entity, what it holds).
    pub replicas: Vec<(String, String, Vec<Entity>)>,
    /// Envelopes by entity.
    pub events: BTreeMap<String, Vec<Value>>,
    /// When the stream took the creation, the expiry and the cancellation (event type) of each order, by
    /// the stream's clock.
    pub told_at: BTreeMap<(String, String), Timestamp>,
    /// (consumer, messages that are pending or unacknowledged).
    pub unhandled: Vec<(String, u64)>,
    /// How many there are.
    pub dead_letters: u64,
    /// Everything that fakestripe knows.
    pub card_network: Value,
}

/// (database, collection, entity).
pub const OWNERS: [(&str, &str, &str); 4] = [
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
            owned.insert(collection, entities(&client.database(database), collection).await?);
        }
        let mut replicas = Vec::new();
        for database in testkit::fleet::SERVICES {
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
        let nats = async_nats::connect(shop.fleet.servers().nats.url()).await?;
        let jetstream = jetstream::new(nats);
        let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let (mut unhandled, mut dead_letters, mut told_at) = (Vec::new(), 0, BTreeMap::new());
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
                // What is no event is told of by the dead letters of whoever got it.
                let Ok(event) = serde_json::from_slice::<Value>(&message.payload) else { continue };
                let kind = event["type"].as_str().unwrap_or_default();
                if matches!(kind, "order.created.v1" | "order.cancelled.v1" | "expiration.completed.v1") {
                    let published =
                        message.info().map_err(anyhow::Error::from_boxed)?.published.unix_timestamp_nanos() / 1_000_000;
                    let published = Timestamp::from_millis(i64::try_from(published)?);
                    let order = event["subject"].as_str().unwrap_or_default().to_owned();
                    told_at.entry((order, kind.to_owned())).or_insert(published);
                }
                let entity = event["type"].as_str().and_then(|kind| kind.split('.').next()).unwrap_or_default();
                events.entry(entity.to_owned()).or_default().push(event);
            }
        }
        let card_network = shop.card_network().await?;
        Ok(Self { now: SystemClock.now(), owned, replicas, events, told_at, unhandled, dead_letters, card_network })
    }

    pub(super) fn of(&self, collection: &str) -> &[Entity] {
        self.owned.get(collection).map(Vec::as_slice).unwrap_or_default()
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
