//! The sweeper: requeues events that a crash, a full queue or an outage left in an outbox.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde::Deserialize;

use super::OutboxStores;
use super::event::OutboxEvent;
use crate::context::Context;
use crate::lifecycle::{self, Backoff};
use crate::mongo;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::telemetry;

/// Minimum age of an event before it is requeued: the relay publishes it first.
const GRACE: Duration = Duration::from_secs(2);
/// Maximum number of documents per round.
const BATCH_SIZE: i64 = 500;

#[derive(Deserialize)]
struct OutboxDocument {
    #[serde(rename = "_id")]
    id: String,
    outbox: Vec<OutboxEvent>,
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn sweep_outbox(&self, now: Timestamp) -> Result<usize, StoreError> {
        if !self.relay.has_capacity() {
            return Ok(0);
        }
        let mut filter = mongo::idle_since("outbox.0.time", now, GRACE);
        // In addition to the `$or` of `idle_since`: the index is partial and requires `$exists`.
        filter.insert("outbox.0.time", doc! { "$exists": true });
        let documents = self.collection().clone_with_type::<OutboxDocument>();
        let found = documents.find(filter).sort(doc! { "outbox.0.time": 1 }).projection(doc! { "outbox": 1 });
        let found: Vec<OutboxDocument> = found.limit(BATCH_SIZE).await?.try_collect().await?;
        let count = found.len();
        for document in found {
            self.relay.requeue(A::COLLECTION, &document.id, document.outbox).await;
        }
        Ok(count)
    }

    pub(crate) async fn outbox_backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let filter = doc! { "outbox.0.time": { "$exists": true } };
        let oldest = self.collection().find_one(filter.clone()).sort(doc! { "outbox.0.time": 1 });
        let Some(document): Option<Document> = oldest.projection(doc! { "outbox.time": 1 }).await? else {
            return Ok((0, None));
        };
        let event = document.get_array("outbox").ok().and_then(|outbox| outbox.first()?.as_document());
        let time = event.and_then(|event| event.get_str("time").ok()?.parse().ok());
        Ok((self.collection().count_documents(filter).await?, time))
    }
}

/// Sweeps all stores and sets the outbox gauges, until shutdown.
pub(crate) async fn run(context: Context, stores: OutboxStores) {
    let (clock, interval) = (&context.clock, context.config.outbox_sweep_interval);
    let (mut backoff, mut pause) = (Backoff::default(), lifecycle::jittered(interval));
    while context.tasks.sleep_unless_stopping(pause).await {
        let mut round = Ok(());
        for store in stores.iter() {
            let swept = store.sweep(clock.now()).await;
            if let Ok(count @ 1..) = swept {
                tracing::info!(collection = store.name(), count, "requeued events that were left in the outbox");
            }
            let measured = store.backlog().await.map(|(pending, oldest)| {
                let age = oldest.map_or(0.0, |time| clock.now().since(time).as_secs_f64());
                set_gauges(store.name(), pending, age);
            });
            round = round.and(swept.map(drop)).and(measured);
        }
        pause = backoff.after_round(&round, interval);
        if let Err(error) = round {
            tracing::warn!(error = telemetry::causes(&error), "the outboxes could not be swept");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge does not need precision beyond 2^52 events")]
fn set_gauges(collection: &'static str, pending: u64, age: f64) {
    metrics::gauge!("outbox_pending", "collection" => collection).set(pending as f64);
    metrics::gauge!("outbox_oldest_age_seconds", "collection" => collection).set(age);
    if age > 10.0 {
        tracing::warn!(collection, pending, age, "events wait in the outbox; is NATS unavailable?");
    }
}
