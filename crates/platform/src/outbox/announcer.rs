//! The announcer: announces aggregates that have not changed for a while, which means that it publishes snapshots of
//! them. With the scan it is the anti-entropy of the fleet: consumers that missed an event catch up.
//!
//! # Why
//! A consumer that lost the last event of an entity would wait forever. A state that is not final is announced at
//! doubling intervals until it changes; a final state is announced once.
//!
//! Instances share a backlog by [turns](super::turns): each turn is one batch, which one instance announces.

use std::time::Duration;

use common::aggregate::{Aggregate, Versioned};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::doc;
use serde::Deserialize;

use super::OutboxStores;
use crate::context::Context;
use crate::lifecycle;
use crate::store::error::StoreError;
use crate::store::{NextAnnouncement, Store, as_i64, bson};

/// Maximum number of documents per turn.
const BATCH_SIZE: u16 = 200;
/// Maximum interval between two announcements of the same state.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(bound = "A: serde::de::DeserializeOwned")]
struct Due<A> {
    version: u64,
    state: A,
    announce: NextAnnouncement,
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn announce_due_states(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut announced = 0;
        for Due { version, state, announce } in self.take_due(now).await? {
            // Compare-and-swap on the due time: only the instance that changes it announces the state.
            let unchanged =
                doc! { "_id": state.id(), "version": as_i64(version), "announce.at": announce.at.to_string() };
            let update = if state.is_settled() {
                doc! { "$unset": { "announce": "" } }
            } else {
                let count = announce.count + 1;
                let interval = self.announce_after.saturating_mul(2_u32.saturating_pow(count)).min(MAX_INTERVAL);
                let next = NextAnnouncement { at: now.plus(lifecycle::jittered(interval)), count };
                doc! { "$set": { "announce": bson(&next)? } }
            };
            if self.collection().update_one(unchanged, update).await?.matched_count > 0 {
                self.announce(&Versioned { version, state });
                announced += 1;
            }
        }
        Ok(announced)
    }

    /// Takes the next batch of due states, in the order of their due times.
    async fn take_due(&self, now: Timestamp) -> Result<Vec<Due<A>>, StoreError> {
        let (turns, task) = (self.turns(), format!("announce {}", A::COLLECTION));
        loop {
            // The task itself has no pause between two cycles: `announce.at` decides when a state is due.
            let Some(turn) = turns.due(&task, now, Duration::ZERO).await? else { return Ok(Vec::new()) };
            let mut range = doc! { "$exists": true, "$lte": now.to_string() };
            if let Some(after) = &turn.after {
                range.insert("$gt", after);
            }
            let fields = doc! { "version": 1, "state": 1, "announce": 1 };
            let states = self.collection().clone_with_type::<Due<A>>();
            let due = states
                .find(doc! { "announce.at": range })
                .sort(doc! { "announce.at": 1 })
                .limit(i64::from(BATCH_SIZE))
                .projection(fields);
            let found: Vec<Due<A>> = due.await?.try_collect().await?;
            if found.is_empty() && turn.after.is_none() {
                return Ok(found);
            }
            let last = found.last().filter(|_| found.len() >= usize::from(BATCH_SIZE));
            let after = last.map(|last| last.announce.at.to_string());
            // If another instance took this turn, or the cycle ended with an empty batch, try the next turn.
            if turns.take(&turn, after, now).await? && !found.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// Announces the due states of all stores until shutdown.
pub(crate) async fn run(context: Context, stores: OutboxStores) {
    // Six checks per `announce_after`, so that an announcement is late by at most about a sixth of that delay.
    let interval = (context.config.announce_after / 6).max(Duration::from_millis(100));
    let counter = "announced_total";
    super::announce_periodically(context, stores, interval, counter, |store, now| store.announce_due(now)).await;
}
