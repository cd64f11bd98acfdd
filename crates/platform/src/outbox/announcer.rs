//! Anti-entropy: states that have not changed for a while are announced again.
//!
//! # Why
//! A consumer that lost the last event of an entity would wait for ever. What is not final is
//! announced with a doubling pause until it changes; what is final, once more.

use std::time::Duration;

use common::aggregate::{Aggregate, Versioned};
use common::clock::SharedClock;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::doc;
use serde::Deserialize;

use super::Sources;
use crate::lifecycle::{self, Tasks};
use crate::store::error::StoreError;
use crate::store::{Announce, Store, as_i64, bson};
use crate::telemetry;

/// How many documents one round takes.
const ROUND: i64 = 200;
/// The longest pause between two announcements of the same state.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(bound = "A: serde::de::DeserializeOwned")]
struct Due<A> {
    version: u64,
    state: A,
    announce: Announce,
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn announce_what_is_due(&self, now: Timestamp) -> Result<usize, StoreError> {
        let due = self.collection().clone_with_type::<Due<A>>();
        let filter = doc! { "announce.at": { "$exists": true, "$lte": now.to_string() } };
        let fields = doc! { "version": 1, "state": 1, "announce": 1 };
        let found = due.find(filter).sort(doc! { "announce.at": 1 }).limit(ROUND).projection(fields);
        let found: Vec<Due<A>> = found.await?.try_collect().await?;
        let mut announced = 0;
        for due in found {
            // Whoever moves the mark announces; an instance that comes second finds nothing to move.
            let mark = doc! { "_id": due.state.id(), "version": as_i64(due.version), "announce.at": due.announce.at.to_string() };
            let update = if due.state.is_final() {
                doc! { "$unset": { "announce": "" } }
            } else {
                let pause =
                    self.announce_after().saturating_mul(2_u32.saturating_pow(due.announce.count + 1)).min(LONGEST);
                let next = Announce { at: now.plus(lifecycle::jittered(pause)), count: due.announce.count + 1 };
                doc! { "$set": { "announce": bson(&next)? } }
            };
            if self.collection().update_one(mark, update).await?.matched_count > 0 {
                self.announce(&Versioned { version: due.version, state: due.state });
                announced += 1;
            }
        }
        Ok(announced)
    }
}

/// Announces what is due in all stores until the service ends.
pub(crate) async fn run(sources: Sources, clock: SharedClock, tasks: Tasks, after: Duration) {
    let pause = (after / 6).max(Duration::from_millis(100));
    while tasks.sleep_unless_stopping(lifecycle::jittered(pause)).await {
        for source in sources.iter() {
            match source.announce_due(clock.now()).await {
                Ok(0) => {}
                Ok(count) => {
                    metrics::counter!("announced_total", "collection" => source.name()).increment(count as u64);
                    tracing::debug!(collection = source.name(), count, "announced present states again");
                }
                Err(error) => tracing::warn!(
                    error = telemetry::causes(&error),
                    collection = source.name(),
                    "could not announce states"
                ),
            }
        }
    }
}
