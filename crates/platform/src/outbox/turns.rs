//! Turns: instances share a periodic task, so that each part of it is done by one of them. A turn is the right to do
//! the next part, such as a batch. A cycle is all parts from first to last; a round is a turn for the whole task.
//!
//! # Why
//! All workers run on every instance without a leader. Without turns, all of them would take the same oldest documents,
//! and look up the same payments at the provider. One document per task describes the next turn. The instance that
//! advances it by compare-and-swap does the work of that turn. It advances the document before the work, so instances
//! drain a backlog in parallel: while one publishes its batch, another takes the following one. If an instance stops in
//! between, the next cycle repeats its part. For the same reason, a turn that was restored from a backup is harmless.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::timestamp::Timestamp;
use mongodb::bson::doc;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};

use crate::mongo;
use crate::store::error::StoreError;
use crate::store::{Store, bson};

/// The collection of turns.
pub(crate) const TURNS: &str = "turns";
/// The pause of a round as a fraction of its interval: less than the shortest [jittered](crate::lifecycle::jittered)
/// interval, so that a single instance finds every one of its rounds due.
const ROUND_PAUSE: f64 = 0.75;

/// The next part of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    #[serde(rename = "_id")]
    task: String,
    /// Version of this document, for compare-and-swap; +1 per turn, 0 if it is not stored yet.
    #[serde(rename = "turn")]
    number: i64,
    /// When it may be taken.
    due: Timestamp,
    /// The position after which it begins; none at the start of a cycle.
    pub(crate) after: Option<String>,
}

impl Turn {
    fn first(task: &str, now: Timestamp) -> Self {
        Self { task: task.to_owned(), number: 0, due: now, after: None }
    }

    /// Whether it may be taken. No instance delays a turn by more than `longest_pause`, so a due time more than twice
    /// as far ahead comes from a skewed clock and is ignored.
    fn is_due(&self, now: Timestamp, longest_pause: Duration) -> bool {
        self.due <= now || self.due > now.plus(longest_pause.saturating_mul(2))
    }
}

/// The turns of a service's tasks, shared by its instances.
#[derive(Clone)]
pub struct Turns(Collection<Turn>);

impl Turns {
    pub(crate) fn new(database: &Database) -> Self {
        Self(database.collection(TURNS))
    }

    /// Returns the turn of this task if it is due. Other instances see it too; only [`Turns::take`] takes it.
    pub(crate) async fn due(
        &self,
        task: &str,
        now: Timestamp,
        longest_pause: Duration,
    ) -> Result<Option<Turn>, StoreError> {
        let found = self.0.find_one(doc! { "_id": task }).await?;
        let turn = found.unwrap_or_else(|| Turn::first(task, now));
        Ok(Some(turn).filter(|turn| turn.is_due(now, longest_pause)))
    }

    /// Takes a turn, and stores the next one. Returns false if another instance has taken it.
    pub(crate) async fn take(&self, taken: &Turn, after: Option<String>, due: Timestamp) -> Result<bool, StoreError> {
        let next = Turn { task: taken.task.clone(), number: taken.number + 1, due, after };
        if taken.number == 0 {
            return match self.0.insert_one(&next).await {
                Err(error) if mongo::violated_index(&error).is_some() => Ok(false),
                inserted => inserted.map(|_| true).map_err(StoreError::from),
            };
        }
        let filter = doc! { "_id": &taken.task, "turn": taken.number };
        Ok(self.0.update_one(filter, doc! { "$set": bson(&next)? }).await?.matched_count > 0)
    }

    /// Takes a round of a task that each instance attempts once per [jittered](crate::lifecycle::jittered) `interval`.
    /// Returns whether this instance does the round; if not, another one does it or has just done it. A round whose
    /// instance stops is not repeated: the next one follows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_round(&self, task: &str, now: Timestamp, interval: Duration) -> Result<bool, StoreError> {
        let pause = interval.mul_f64(ROUND_PAUSE);
        match self.due(task, now, pause).await? {
            Some(turn) => self.take(&turn, None, now.plus(pause)).await,
            None => Ok(false),
        }
    }
}

impl<A: Aggregate> Store<A> {
    /// The turns of the workers that share this store.
    pub(crate) fn turns(&self) -> Turns {
        Turns(self.sibling(TURNS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_time_from_a_skewed_clock_is_ignored() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let (turn, pause) = (Turn::first("task", at(10)), Duration::from_secs(2));
        assert!(!turn.is_due(at(9), pause) && !turn.is_due(at(6), pause));
        assert!(turn.is_due(at(10), pause) && turn.is_due(at(5), pause));
        assert!(turn.is_due(at(9), Duration::ZERO), "a turn without pauses is always due");
    }
}
