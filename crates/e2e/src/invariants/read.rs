//! Everything that is there to be checked, read at one go.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use common::timestamp::Timestamp;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use ticketctl::audit::books::{Books, Entity};

use crate::shop::Shop;

/// Databases, streams and the card network.
pub struct World {
    /// What the databases say.
    pub books: Books,
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

impl World {
    pub(super) async fn read(shop: &Shop) -> Result<Self> {
        let client = mongodb::Client::with_uri_str(shop.fleet.servers().mongodb_url()).await?;
        let books = Books::read(&client).await?;
        let jetstream = shop.jetstream().await?;
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
        Ok(Self { books, events, told_at, unhandled, dead_letters, card_network })
    }

    pub(super) fn of(&self, collection: &str) -> &[Entity] {
        self.books.of(collection)
    }
}
