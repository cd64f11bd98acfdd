//! The sweeper: finds events that a crash, a full queue or an outage left in an outbox.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::clock::SharedClock;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde::Deserialize;

use super::event::OutboxEvent;
use super::{Sources, relay};
use crate::lifecycle::{self, Backoff, Tasks};
use crate::mongo;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::telemetry;

/// How long the relay is given before the sweeper believes that an event was left behind.
const GRACE: Duration = Duration::from_secs(2);
/// How many documents one round takes.
const ROUND: i64 = 500;

#[derive(Deserialize)]
struct Pending {
    #[serde(rename = "_id")]
    id: String,
    outbox: Vec<OutboxEvent>,
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn sweep_outbox(&self, now: Timestamp) -> Result<usize, StoreError> {
        if !self.relay().has_capacity() {
            return Ok(0);
        }
        let mut filter = mongo::idle_since("outbox.0.time", now, GRACE);
        filter.insert("outbox.0.time", doc! { "$exists": true });
        let pending = self.collection().clone_with_type::<Pending>();
        let found = pending.find(filter).sort(doc! { "outbox.0.time": 1 }).projection(doc! { "outbox": 1 });
        let found: Vec<Pending> = found.limit(ROUND).await?.try_collect().await?;
        let count = found.len();
        for document in found {
            relay::requeue(self.relay(), A::COLLECTION, &document.id, document.outbox).await;
        }
        Ok(count)
    }

    pub(crate) async fn outbox_backlog(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let filter = doc! { "outbox.0.time": { "$exists": true } };
        let oldest = self.collection().find_one(filter.clone()).sort(doc! { "outbox.0.time": 1 });
        let Some(document): Option<Document> = oldest.projection(doc! { "outbox.time": 1 }).await? else {
            return Ok((0, None));
        };
        let time =
            document.get_array("outbox").ok().and_then(|outbox| outbox.first()).and_then(|event| event.as_document());
        let time = time.and_then(|event| event.get_str("time").ok()).and_then(|time| time.parse().ok());
        Ok((self.collection().count_documents(filter).await?, time))
    }
}

/// Sweeps all stores until the service ends, and keeps the outbox metrics.
pub(crate) async fn run(sources: Sources, clock: SharedClock, tasks: Tasks, interval: Duration) {
    let (mut backoff, mut pause) = (Backoff::default(), lifecycle::jittered(interval));
    while tasks.sleep_unless_stopping(pause).await {
        let mut round = Ok(());
        for source in sources.iter() {
            let swept = source.sweep(clock.now()).await;
            let backlog = source.backlog().await;
            match backlog {
                Ok((pending, oldest)) => {
                    let age = oldest.map_or(0.0, |time| clock.now().since(time).as_secs_f64());
                    metrics::gauge!("outbox_pending", "collection" => source.name()).set(f64_from(pending));
                    metrics::gauge!("outbox_oldest_age_seconds", "collection" => source.name()).set(age);
                    if age > 10.0 {
                        tracing::warn!(
                            collection = source.name(),
                            pending,
                            age,
                            "events wait in the outbox; is NATS away?"
                        );
                    }
                }
                Err(error) => round = Err(error),
            }
            match swept {
                Ok(0) => {}
                Ok(count) => {
                    tracing::info!(collection = source.name(), count, "swept events that were left in the outbox");
                }
                Err(error) => round = Err(error),
            }
        }
        pause = backoff.after_round(&round, interval);
        if let Err(error) = round {
            tracing::warn!(error = telemetry::causes(&error), "the outbox could not be swept");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge; nobody counts past 2^52 events")]
fn f64_from(count: u64) -> f64 {
    count as f64
}
