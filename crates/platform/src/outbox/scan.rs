//! The rotation: everything that a service owns is announced again, slowly, for ever.
//!
//! # Why
//! Announcements of what has just changed heal a lost event while they go on. What is at rest is announced once, and
//! a copy that missed its last event and that announcement would be wrong for ever, as would one that was spoiled
//! later. So each collection is walked by id and announced in laps: what can still change or came to rest within
//! 30 days comes first, everything else in the time that is left.
//!
//! One document for each collection says where the walk is. An instance moves it by compare-and-swap before it
//! announces, so that several together are no faster than one. A crash after that skips a few until the next lap.

use std::time::Duration;

use common::aggregate::{Aggregate, Versioned};
use common::clock::SharedClock;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::Sources;
use super::event::OutboxEvent;
use crate::lifecycle::{self, Tasks};
use crate::mongo;
use crate::store::error::StoreError;
use crate::store::{Store, bson};
use crate::telemetry;

/// The collection that says how far each other one has got.
pub(crate) const SCANS: &str = "announcement_scans";

/// How many documents one turn looks at, however few of them it announces.
const WALK: u64 = 1000;
/// How long something counts as recent after its last change.
const RECENT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Between the end of a lap of what is recent and the next one, at least; and the longest pause of all.
const HOUR: Duration = Duration::from_secs(3600);
/// Between the end of a lap of everything else and the next one.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A day's announcements may fill one of so many parts of the stream's size.
const PARTS: u64 = 20;

/// How fast a service rotates, all its instances together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanRate {
    /// How many announcements a second at most; none at all when 0.
    pub(crate) per_second: u32,
    /// At which size the stream drops its oldest events, in bytes.
    pub(crate) stream_bytes: i64,
}

impl ScanRate {
    /// How long to wait after announcing `events` events of `bytes` bytes in all.
    fn pause(self, events: usize, bytes: usize) -> Duration {
        let (events, bytes) = (events as u64, bytes as u64);
        let by_count = Duration::from_millis(events * 1000 / u64::from(self.per_second.max(1)));
        // No limit of size where the stream has none.
        let a_day = u64::try_from(self.stream_bytes).ok().filter(|size| *size > 0).map(|size| (size / PARTS).max(1));
        let by_size = a_day.map_or(0, |a_day| bytes.saturating_mul(DAY.as_secs() * 1000) / a_day);
        by_count.max(Duration::from_millis(by_size)).clamp(Duration::from_secs(1), HOUR)
    }
}

/// How far the walk through one collection has got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ScanPosition {
    #[serde(rename = "_id")]
    collection: String,
    /// Counts the moves: whoever moves it takes this turn.
    turn: i64,
    /// When the next turn may be taken.
    due: Timestamp,
    recent: Scan,
    others: Scan,
}

/// A walk from the smallest id to the largest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scan {
    begun: Timestamp,
    /// None while it goes on.
    ended: Option<Timestamp>,
    /// The last id that it came to.
    after: String,
}

impl Scan {
    fn begin(now: Timestamp) -> Self {
        Self { begun: now, ended: None, after: String::new() }
    }

    /// When the next one may begin; `None` while this one goes on.
    fn next(&self, rest: Duration) -> Option<Timestamp> {
        self.ended.map(|ended| ended.plus(rest))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScanKind {
    Recent,
    Others,
}

impl ScanPosition {
    fn begin(collection: &str, now: Timestamp) -> Self {
        Self {
            collection: collection.to_owned(),
            turn: 0,
            due: now,
            recent: Scan::begin(now),
            others: Scan::begin(now),
        }
    }

    /// Whether a turn may be taken. A due time more than two hours ahead comes from a wrong clock and is ignored.
    fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now || self.due > now.plus(HOUR * 2)
    }

    /// Which scan has this turn, begun anew where its time has come; none when both rest.
    ///
    /// What is recent comes first, and rests for as long as its lap took: so the others have half of all turns.
    fn choose(&mut self, now: Timestamp) -> Option<ScanKind> {
        let took = self.recent.ended.map_or(Duration::ZERO, |ended| ended.since(self.recent.begun));
        match (self.recent.next(took.max(HOUR)), self.others.next(DAY)) {
            (None, _) => Some(ScanKind::Recent),
            (Some(next), _) if next <= now => {
                self.recent = Scan::begin(now);
                Some(ScanKind::Recent)
            }
            (_, None) => Some(ScanKind::Others),
            (_, Some(next)) if next <= now => {
                self.others = Scan::begin(now);
                Some(ScanKind::Others)
            }
            _ => None,
        }
    }

    fn lap(&mut self, which: ScanKind) -> &mut Scan {
        match which {
            ScanKind::Recent => &mut self.recent,
            ScanKind::Others => &mut self.others,
        }
    }
}

/// Matches what a lap announces; each document is matched by one of the two.
fn matching(which: ScanKind, now: Timestamp) -> Document {
    let since = doc! { "$gte": now.minus(RECENT).to_string() };
    match which {
        ScanKind::Recent => doc! { "$or": [{ "announce": { "$exists": true } }, { "state.updatedAt": since }] },
        ScanKind::Others => doc! { "announce": { "$exists": false }, "state.updatedAt": { "$not": since } },
    }
}

impl<A: Aggregate> Store<A> {
    /// Takes a turn if one is due; how many states were announced.
    pub(crate) async fn scan_and_announce(&self, now: Timestamp, pace: ScanRate) -> Result<usize, StoreError> {
        if pace.per_second == 0 || !self.relay().has_capacity() {
            return Ok(0);
        }
        let rotations = self.sibling::<ScanPosition>(SCANS);
        let found = rotations.find_one(doc! { "_id": A::COLLECTION }).await?;
        let was = found.as_ref().map(|found| found.turn);
        let mut rotation = found.unwrap_or_else(|| ScanPosition::begin(A::COLLECTION, now));
        if !rotation.is_due(now) {
            return Ok(0);
        }
        let Some(which) = rotation.choose(now) else {
            rotation.due = now.plus(HOUR / 60);
            move_on(&rotations, was, rotation).await?;
            return Ok(0);
        };
        let lap = rotation.lap(which);
        let (states, after) = self.walk(which, &lap.after, now, pace).await?;
        match after {
            Some(after) => lap.after = after,
            None => lap.ended = Some(now),
        }
        let events: Vec<OutboxEvent> =
            states.iter().filter(|state| state.is_announced()).map(|state| self.snapshot(state)).collect();
        let bytes = events.iter().map(|event| event.payload.len()).sum();
        rotation.due = now.plus(pace.pause(events.len(), bytes));
        if !move_on(&rotations, was, rotation).await? {
            return Ok(0);
        }
        let count = events.len();
        for event in events {
            self.relay().announce_when_free(event).await;
        }
        Ok(count)
    }

    /// The next states of a lap, and the id that the walk has come to; none at the lap's end.
    async fn walk(
        &self,
        which: ScanKind,
        after: &str,
        now: Timestamp,
        pace: ScanRate,
    ) -> Result<(Vec<Versioned<A>>, Option<String>), StoreError> {
        let ids = self.collection().find_one(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
        let last = ids.skip(WALK - 1).projection(doc! { "_id": 1 }).await?;
        let last = last.and_then(|last| last.get_str("_id").ok().map(ToOwned::to_owned));
        let mut filter = matching(which, now);
        let mut range = doc! { "$gt": after };
        if let Some(last) = &last {
            range.insert("$lte", last);
        }
        filter.insert("_id", range);
        let typed = self.typed();
        let states = typed.find(filter).sort(doc! { "_id": 1 }).limit(pace.per_second.into());
        let states: Vec<Versioned<A>> =
            states.projection(doc! { "version": 1, "state": 1 }).await?.try_collect().await?;
        let is_full = states.len() == pace.per_second as usize;
        let after = states.last().filter(|_| is_full).map(|state| state.id()).or(last);
        Ok((states, after))
    }
}

/// Stores the new position by compare-and-swap on the turn `was`. Returns false when another instance was faster.
async fn move_on(
    rotations: &Collection<ScanPosition>,
    was: Option<i64>,
    next: ScanPosition,
) -> Result<bool, StoreError> {
    let Some(was) = was else {
        let inserted = rotations.insert_one(&next).await;
        return match inserted {
            Err(error) if mongo::duplicate(&error).is_some() => Ok(false),
            inserted => inserted.map(|_| true).map_err(StoreError::from),
        };
    };
    let filter = doc! { "_id": &next.collection, "turn": was };
    let next = doc! { "$set": bson(&ScanPosition { turn: was + 1, ..next })? };
    Ok(rotations.update_one(filter, next).await?.matched_count > 0)
}

/// Rotates all stores until the service ends.
pub(crate) async fn run(sources: Sources, clock: SharedClock, tasks: Tasks, pace: ScanRate) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(Duration::from_secs(1))).await {
        for source in sources.iter() {
            match source.scan_and_announce(clock.now(), pace).await {
                Ok(0) => {}
                Ok(count) => {
                    metrics::counter!("scan_announced_total", "collection" => source.name()).increment(count as u64);
                }
                Err(error) => {
                    tracing::warn!(error = telemetry::causes(&error), collection = source.name(), "could not rotate");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn a_day_s_announcements_fill_a_twentieth_of_the_stream() {
        let pace = ScanRate { per_second: 10, stream_bytes: 4 << 30 };
        // 4 GiB / 20 a day is 2,485 bytes a second: ten of 1,200 bytes last 4.8 s.
        let pause = pace.pause(10, 12_000).as_secs_f64();
        assert!((pause - 4.83).abs() < 0.01, "{pause}");
        assert_eq!(pace.pause(10, 100), Duration::from_secs(1), "never more than ANNOUNCE_PER_SECOND");
        assert_eq!(pace.pause(0, 0), Duration::from_secs(1));
        assert_eq!(ScanRate { stream_bytes: 1 << 20, ..pace }.pause(10, 100_000), HOUR);
        assert_eq!(
            ScanRate { stream_bytes: -1, ..pace }.pause(20, 100_000),
            Duration::from_secs(2),
            "no limit of size"
        );
    }

    #[test]
    fn what_is_recent_comes_first_and_leaves_half_of_all_turns() {
        let mut rotation = ScanPosition::begin("orders", at(0));
        assert_eq!(rotation.choose(at(1)), Some(ScanKind::Recent));
        rotation.recent.ended = Some(at(5));
        assert_eq!(rotation.choose(at(6)), Some(ScanKind::Others), "a lap of five hours is followed by five hours");
        assert_eq!(rotation.choose(at(9)), Some(ScanKind::Others));
        assert_eq!(rotation.choose(at(10)), Some(ScanKind::Recent));
        assert_eq!(rotation.recent, Scan::begin(at(10)));
        assert_eq!(rotation.others.ended, None, "it goes on afterwards");
        rotation.recent.ended = Some(at(10));
        rotation.others.ended = Some(at(10));
        assert_eq!(rotation.choose(at(10)), None, "a small collection rests");
        assert_eq!(rotation.choose(at(11)), Some(ScanKind::Recent));
        rotation.recent.ended = Some(at(34));
        assert_eq!(rotation.choose(at(34)), Some(ScanKind::Others));
    }

    #[test]
    fn a_turn_that_a_wrong_clock_has_put_off_is_taken() {
        let mut rotation = ScanPosition::begin("orders", at(0));
        rotation.due = at(1);
        assert!(!rotation.is_due(at(0)) && rotation.is_due(at(1)));
        rotation.due = at(9);
        assert!(rotation.is_due(at(0)));
    }
}
