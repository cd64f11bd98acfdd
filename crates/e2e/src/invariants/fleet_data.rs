//! Reads the state that the invariants check.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use common::timestamp::Timestamp;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use ticketctl::audit::entity::{Entity, text};
use ticketctl::audit::finding::Finding;
use ticketctl::audit::indexes;

use super::databases::Databases;
use crate::test_fleet::TestFleet;

/// The state of the databases, the streams and the card network.
pub struct FleetData {
    /// Entities and replicas in the databases.
    pub databases: Databases,
    /// The unique indexes that services declare and that do not exist.
    pub missing_indexes: Vec<Finding>,
    /// Published events by entity, as envelopes.
    pub events: BTreeMap<String, Vec<Value>>,
    /// When the stream received the creation, expiry and cancellation of each order, by order id and event type. The
    /// time is that of the stream's clock.
    pub published_at: BTreeMap<(String, String), Timestamp>,
    /// Consumers with the number of their pending and unacknowledged messages.
    pub backlogs: Vec<(String, u64)>,
    /// Number of dead letters.
    pub dead_letters: u64,
    /// The whole state of fakestripe.
    pub fakestripe_state: Value,
}

impl FleetData {
    pub(super) async fn read(fleet: &TestFleet) -> Result<Self> {
        let client = mongodb::Client::with_uri_str(fleet.processes.servers().mongodb_url()).await?;
        let (databases, missing_indexes) = (Databases::read(&client).await?, indexes::missing(&client).await?);
        let jetstream = fleet.jetstream().await?;
        let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let (mut backlogs, mut dead_letters, mut published_at) = (Vec::new(), 0, BTreeMap::new());
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
                // Ephemeral consumers, such as the one below, have no durable name.
                if consumer.config.durable_name.is_some() {
                    backlogs.push((consumer.name, consumer.num_pending + consumer.num_ack_pending as u64));
                }
            }
            let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
            let mut reader = stream.create_consumer(config).await?.messages().await?;
            for _ in 0..messages {
                let message = reader.next().await.context("a stream ended early")??;
                // Undecodable messages are skipped: their consumers dead-letter them, and dead letters are counted.
                let Ok(mut event) = serde_json::from_slice::<Value>(&message.payload) else { continue };
                remove_added_fields(&mut event);
                let kind = text(&event["type"]);
                if matches!(kind, "order.created.v1" | "order.cancelled.v1" | "expiration.completed.v1") {
                    let published =
                        message.info().map_err(anyhow::Error::from_boxed)?.published.unix_timestamp_nanos() / 1_000_000;
                    let published = Timestamp::from_millis(i64::try_from(published)?);
                    let key = (text(&event["subject"]).to_owned(), kind.to_owned());
                    published_at.entry(key).or_insert(published);
                }
                let entity = kind.split('.').next().unwrap_or_default();
                events.entry(entity.to_owned()).or_default().push(event);
            }
        }
        let fakestripe_state = fleet.fakestripe_state().await?;
        Ok(Self { databases, missing_indexes, events, published_at, backlogs, dead_letters, fakestripe_state })
    }

    pub(super) fn by_id(&self, collection: &str) -> BTreeMap<&str, &Entity> {
        self.databases.owned(collection).iter().map(|entity| (entity.id.as_str(), entity)).collect()
    }

    /// All events of an entity type.
    pub(super) fn published(&self, entity: &str) -> &[Value] {
        self.events.get(entity).map(Vec::as_slice).unwrap_or_default()
    }

    /// The published states of an entity type, by id and version.
    pub(super) fn histories(&self, entity: &str) -> BTreeMap<&str, BTreeMap<u64, &Value>> {
        let mut histories: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
        for event in self.published(entity) {
            let (subject, version) = subject_and_version(event);
            histories.entry(subject).or_default().insert(version, &event["data"]);
        }
        histories
    }
}

/// Removes what services of the build `next-release` (a feature of the crate `platform`) add to every object: no
/// replica stores it, and the events of an entity may come from both builds.
fn remove_added_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("addedLater");
            fields.values_mut().for_each(remove_added_fields);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_added_fields),
        _ => {}
    }
}

/// Id and version of the entity that an event is about.
pub(super) fn subject_and_version(event: &Value) -> (&str, u64) {
    (text(&event["subject"]), event["entityversion"].as_u64().unwrap_or(u64::MAX))
}
