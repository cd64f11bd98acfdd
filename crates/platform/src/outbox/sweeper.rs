//! The sweeper: requeues events that a crash, a full queue or an outage left in an outbox.
//!
//! # Why
//! Instances take [turns](super::turns): each turn is the next batch, oldest event first, and a cycle is all batches up
//! to the newest event. A cycle skips a document that has the same time as the last document of a full batch, and the
//! rest of a batch whose instance stopped; the next cycle finds them. While no event is in an outbox, no turn is read
//! or written. Events that this instance has published are skipped: they are about to be removed.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde::Deserialize;

use super::event::OutboxEvent;
use super::{OutboxStore, OutboxStores};
use crate::context::Context;
use crate::lifecycle::{self, Backoff};
use crate::mongo;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::telemetry;

/// Minimum age of an event before it is requeued: until then, the relay probably publishes it. Also the minimum pause
/// between two cycles, so that the relay has the same time to publish a requeued event.
const GRACE: Duration = Duration::from_secs(2);
/// Maximum number of documents per turn.
const BATCH_SIZE: u16 = 500;

/// What one turn of the sweeper found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Swept {
    /// The number of documents with requeued events.
    pub(crate) count: usize,
    /// Whether another batch may follow at once.
    pub(crate) has_more: bool,
}

#[derive(Deserialize)]
struct OutboxDocument {
    #[serde(rename = "_id")]
    id: String,
    outbox: Vec<OutboxEvent>,
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn sweep_outbox(&self, now: Timestamp, interval: Duration) -> Result<Swept, StoreError> {
        let (turns, task) = (self.turns(), format!("sweep {}", A::COLLECTION));
        let pause = interval.max(GRACE);
        while self.relay.has_capacity() {
            let Some(turn) = turns.due(&task, now, pause).await? else { break };
            let found = self.find_unpublished(turn.after.as_deref(), now).await?;
            if found.is_empty() && turn.after.is_none() {
                break;
            }
            let has_more = found.len() >= usize::from(BATCH_SIZE);
            let last = found.last().filter(|_| has_more).and_then(|last| last.outbox.first());
            let (after, due) = match last {
                Some(event) => (Some(event.time.to_string()), now),
                None => (None, now.plus(pause)),
            };
            // If another instance was faster, the next turn may be due.
            if turns.take(&turn, after, due).await? {
                let mut count = 0;
                for OutboxDocument { id, mut outbox } in found {
                    let acknowledged = self.relay.acknowledged();
                    outbox.retain(|event| !acknowledged.contains(A::COLLECTION, &id, &event.id));
                    count += usize::from(!outbox.is_empty());
                    self.relay.requeue(A::COLLECTION, &id, outbox).await;
                }
                return Ok(Swept { count, has_more });
            }
        }
        Ok(Swept::default())
    }

    /// Finds the next batch of documents with unpublished events, sorted by the time of their first event, which is
    /// later than `after`.
    async fn find_unpublished(&self, after: Option<&str>, now: Timestamp) -> Result<Vec<OutboxDocument>, StoreError> {
        let mut filter = mongo::idle_since("outbox.0.time", now, GRACE);
        // The `$or` of `idle_since` does not suffice: the index is partial and requires `$exists`.
        let mut range = doc! { "$exists": true };
        if let Some(after) = after {
            range.insert("$gt", after);
        }
        filter.insert("outbox.0.time", range);
        let documents = self.collection().clone_with_type::<OutboxDocument>();
        let found = documents.find(filter).sort(doc! { "outbox.0.time": 1 }).projection(doc! { "outbox": 1 });
        Ok(found.limit(i64::from(BATCH_SIZE)).await?.try_collect().await?)
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
    let interval = context.config.outbox_sweep_interval;
    let (mut backoff, mut pause) = (Backoff::default(), lifecycle::jittered(interval));
    while context.tasks.sleep_unless_stopping(pause).await {
        let mut round = Ok(());
        for store in stores.iter() {
            round = round.and(measure_and_sweep(store.as_ref(), &context, interval).await);
        }
        pause = backoff.after_round(&round, interval);
        if let Err(error) = round {
            tracing::warn!(error = telemetry::causes(&error), "the outboxes could not be swept");
        }
    }
}

/// Sets the gauges of one store. If events are pending, also takes turns until no batch follows.
async fn measure_and_sweep(store: &dyn OutboxStore, context: &Context, interval: Duration) -> Result<(), StoreError> {
    let measured = store.backlog().await;
    if let Ok((pending, oldest)) = &measured {
        let age = oldest.map_or(0.0, |time| context.clock.now().since(time).as_secs_f64());
        set_gauges(store.name(), *pending, age);
    }
    // If counting failed, there may be pending events.
    let mut has_more = measured.as_ref().map_or(true, |(pending, _)| *pending > 0);
    while has_more && !context.tasks.stop_token().is_cancelled() {
        let swept = store.sweep(context.clock.now(), interval).await?;
        if swept.count > 0 {
            let count = swept.count;
            tracing::info!(collection = store.name(), count, "requeued events that were left in the outbox");
        }
        has_more = swept.has_more;
    }
    measured.map(drop)
}

#[expect(clippy::cast_precision_loss, reason = "a gauge does not need precision beyond 2^52 events")]
fn set_gauges(collection: &'static str, pending: u64, age: f64) {
    metrics::gauge!("outbox_pending", "collection" => collection).set(pending as f64);
    metrics::gauge!("outbox_oldest_age_seconds", "collection" => collection).set(age);
    if age > 10.0 {
        tracing::warn!(collection, pending, age, "events wait in the outbox; is NATS unavailable?");
    }
}
