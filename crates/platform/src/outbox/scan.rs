//! The scan: goes through every collection slowly and repeatedly, and announces each entity, which means that it
//! publishes a snapshot of its state.
//!
//! # Why
//! The announcer repairs lost events of entities that have changed recently. A final state is announced only once, so a
//! replica that missed both its last event and that snapshot would stay wrong forever, as would a replica that was
//! corrupted later. So each collection is also scanned by id. One batch is a turn, which one instance takes. Each
//! collection has two scans: one of the states that can still change or changed within 30 days, and one of all other
//! states. The first one takes the turns until it has reached the end; while it pauses, the second one takes them.
//!
//! A document per collection stores the position. An instance advances it by compare-and-swap before it announces, so
//! several instances are no faster than one. If it crashes in between, a few entities are skipped until the next scan.

use std::time::Duration;

use common::aggregate::{Aggregate, Versioned};
use common::timestamp::Timestamp;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;
use serde::{Deserialize, Serialize};

use super::OutboxStores;
use super::event::OutboxEvent;
use crate::context::Context;
use crate::mongo;
use crate::store::error::StoreError;
use crate::store::{Store, bson};

/// The collection of scan positions.
pub(crate) const SCANS: &str = "announcement_scans";

/// Maximum number of documents examined per turn, however few of them match.
const MAX_EXAMINED: u64 = 1000;
/// How long after its last change an entity is scanned as recent.
const RECENT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Minimum pause between two scans of recent entities.
const HOUR: Duration = Duration::from_secs(3600);
/// Pause between two scans of the other entities; maximum pause between two turns.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The announcements of a day may fill at most the size of the stream divided by this.
const STREAM_DIVISOR: u64 = 20;

/// The maximum rate of a service's scans, for all its instances together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanRate {
    /// Announcements per second; 0 disables scans.
    pub(crate) per_second: u32,
    /// Size of the stream in bytes beyond which it drops its oldest events; unlimited if not positive.
    pub(crate) stream_bytes: i64,
}

impl ScanRate {
    /// The pause after announcing this many events with this total size.
    fn pause(self, events: usize, bytes: usize) -> Duration {
        let (events, bytes) = (events as u64, bytes as u64);
        let by_count = Duration::from_millis(events * 1000 / u64::from(self.per_second.max(1)));
        let stream_bytes = u64::try_from(self.stream_bytes).ok().filter(|size| *size > 0);
        let daily_bytes = stream_bytes.map(|size| (size / STREAM_DIVISOR).max(1));
        let by_size = daily_bytes.map_or(0, |daily| bytes.saturating_mul(DAY.as_secs() * 1000) / daily);
        by_count.max(Duration::from_millis(by_size)).clamp(Duration::from_secs(1), DAY)
    }
}

/// The position of the two scans of one collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ScanPosition {
    #[serde(rename = "_id")]
    collection: String,
    /// Version of this document, for compare-and-swap; +1 per turn.
    turn: i64,
    /// When the next turn may be taken.
    due: Timestamp,
    recent: Scan,
    others: Scan,
}

/// One cycle through the ids of a collection, in ascending order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scan {
    begun: Timestamp,
    /// When the scan ended; `None` while it is running.
    ended: Option<Timestamp>,
    /// The last id that was examined.
    after: String,
}

impl Scan {
    fn start(now: Timestamp) -> Self {
        Self { begun: now, ended: None, after: String::new() }
    }

    /// Restarts the scan if it ended at least `pause` ago. Returns whether it is running.
    fn is_running(&mut self, pause: Duration, now: Timestamp) -> bool {
        if self.ended.is_some_and(|ended| ended.plus(pause) <= now) {
            *self = Self::start(now);
        }
        self.ended.is_none()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScanKind {
    Recent,
    Others,
}

impl ScanPosition {
    fn start(collection: &str, now: Timestamp) -> Self {
        let (recent, others) = (Scan::start(now), Scan::start(now));
        Self { collection: collection.to_owned(), turn: 0, due: now, recent, others }
    }

    /// Whether the next turn is due. A due time more than two days ahead comes from a skewed clock and is ignored.
    fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now || self.due > now.plus(DAY * 2)
    }

    /// Chooses the scan for this turn, and restarts it if it is due again. Returns `None` while both pause.
    ///
    /// The scan of recent entities comes first, then pauses for as long as it took, so the scan of the other entities
    /// gets half of the turns.
    fn choose_scan(&mut self, now: Timestamp) -> Option<ScanKind> {
        let took = self.recent.ended.map_or(Duration::ZERO, |ended| ended.since(self.recent.begun));
        if self.recent.is_running(took.max(HOUR), now) {
            return Some(ScanKind::Recent);
        }
        self.others.is_running(DAY, now).then_some(ScanKind::Others)
    }
}

/// Matches the documents of a scan; each document belongs to exactly one of the two. Recent are those with an
/// announcement still due, with a status that can change, or changed within [`RECENT`].
fn scan_filter<A: Aggregate>(kind: ScanKind, now: Timestamp) -> Document {
    let since = now.minus(RECENT).to_string();
    let recent = doc! { "$or": [
        { "announce": { "$exists": true } },
        { "state.status.name": { "$in": A::CHANGEABLE_STATUSES } },
        { "state.updatedAt": { "$gte": since } },
    ] };
    match kind {
        ScanKind::Recent => recent,
        ScanKind::Others => doc! { "$nor": [recent] },
    }
}

impl<A: Aggregate> Store<A> {
    /// Takes a turn if one is due, and returns how many states were announced.
    pub(crate) async fn announce_next_batch(&self, now: Timestamp, rate: ScanRate) -> Result<usize, StoreError> {
        if rate.per_second == 0 || !self.relay.has_capacity() {
            return Ok(0);
        }
        let positions = self.sibling::<ScanPosition>(SCANS);
        let found = positions.find_one(doc! { "_id": A::COLLECTION }).await?;
        let turn = found.as_ref().map(|found| found.turn);
        let mut position = found.unwrap_or_else(|| ScanPosition::start(A::COLLECTION, now));
        if !position.is_due(now) {
            return Ok(0);
        }
        let Some(kind) = position.choose_scan(now) else {
            position.due = now.plus(HOUR / 60);
            save_position(&positions, turn, position).await?;
            return Ok(0);
        };
        let scan = match kind {
            ScanKind::Recent => &mut position.recent,
            ScanKind::Others => &mut position.others,
        };
        let (states, last) = self.next_batch(kind, &scan.after, now, rate).await?;
        match last {
            Some(last) => scan.after = last,
            None => scan.ended = Some(now),
        }
        let events: Vec<OutboxEvent> =
            states.iter().filter(|state| state.is_announced()).map(|state| self.snapshot(state)).collect();
        let bytes = events.iter().map(|event| event.payload.len()).sum();
        position.due = now.plus(rate.pause(events.len(), bytes));
        if !save_position(&positions, turn, position).await? {
            return Ok(0);
        }
        let count = events.len();
        for event in events {
            self.relay.announce_when_free(event).await;
        }
        Ok(count)
    }

    /// Returns the next states of a scan, and the last id that was examined; `None` at the end of the scan.
    async fn next_batch(
        &self,
        kind: ScanKind,
        after: &str,
        now: Timestamp,
        rate: ScanRate,
    ) -> Result<(Vec<Versioned<A>>, Option<String>), StoreError> {
        let ids = self.collection().find_one(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
        let last = ids.skip(MAX_EXAMINED - 1).projection(doc! { "_id": 1 }).await?;
        let last = last.and_then(|last| last.get_str("_id").ok().map(ToOwned::to_owned));
        let mut range = doc! { "$gt": after };
        if let Some(last) = &last {
            range.insert("$lte", last);
        }
        let mut filter = scan_filter::<A>(kind, now);
        filter.insert("_id", range);
        let options = FindOptions::builder().sort(doc! { "_id": 1 }).limit(i64::from(rate.per_second)).build();
        let states: Vec<Versioned<A>> = self.documents.query(filter, options).await?;
        let is_full = states.len() == rate.per_second as usize;
        let last = states.last().filter(|_| is_full).map(|state| state.id()).or(last);
        Ok((states, last))
    }
}

/// Saves the position if no other instance has taken a turn since it was read (compare-and-swap on `turn`; an insert if
/// there was none). Returns whether it was saved.
async fn save_position(
    positions: &Collection<ScanPosition>,
    turn: Option<i64>,
    next: ScanPosition,
) -> Result<bool, StoreError> {
    let Some(turn) = turn else {
        return match positions.insert_one(&next).await {
            Err(error) if mongo::violated_index(&error).is_some() => Ok(false),
            inserted => inserted.map(|_| true).map_err(StoreError::from),
        };
    };
    let filter = doc! { "_id": &next.collection, "turn": turn };
    let next = doc! { "$set": bson(&ScanPosition { turn: turn + 1, ..next })? };
    Ok(positions.update_one(filter, next).await?.matched_count > 0)
}

/// Scans all stores until shutdown.
pub(crate) async fn run(context: Context, stores: OutboxStores) {
    let rate =
        ScanRate { per_second: context.config.announce_per_second, stream_bytes: context.config.stream_max_bytes };
    let (interval, counter) = (Duration::from_secs(1), "scan_announced_total");
    super::announce_periodically(context, stores, interval, counter, move |store, now| {
        store.scan_and_announce(now, rate)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn daily_announcements_fill_a_twentieth_of_the_stream() {
        let rate = ScanRate { per_second: 10, stream_bytes: 4 << 30 };
        // 4 GiB / 20 per day is 2,485 bytes per second: ten events of 1,200 bytes take 4.8 s.
        let pause = rate.pause(10, 12_000).as_secs_f64();
        assert!((pause - 4.83).abs() < 0.01, "{pause}");
        assert_eq!(rate.pause(10, 100), Duration::from_secs(1), "at most ANNOUNCE_PER_SECOND");
        assert_eq!(rate.pause(0, 0), Duration::from_secs(1));
        assert_eq!(ScanRate { stream_bytes: 1 << 20, ..rate }.pause(10, 50_000), Duration::from_millis(82_398_718));
        assert_eq!(ScanRate { stream_bytes: 1 << 20, ..rate }.pause(10, 100_000), DAY);
        assert_eq!(
            ScanRate { stream_bytes: -1, ..rate }.pause(20, 100_000),
            Duration::from_secs(2),
            "the stream has no size limit"
        );
    }

    #[test]
    fn recent_scan_comes_first_and_leaves_half_of_the_turns() {
        let mut position = ScanPosition::start("orders", at(0));
        assert_eq!(position.choose_scan(at(1)), Some(ScanKind::Recent));
        position.recent.ended = Some(at(5));
        assert_eq!(position.choose_scan(at(6)), Some(ScanKind::Others), "a scan of five hours pauses for five hours");
        assert_eq!(position.choose_scan(at(9)), Some(ScanKind::Others));
        assert_eq!(position.choose_scan(at(10)), Some(ScanKind::Recent));
        assert_eq!(position.recent, Scan::start(at(10)));
        assert_eq!(position.others.ended, None, "it continues afterwards");
        position.recent.ended = Some(at(10));
        position.others.ended = Some(at(10));
        assert_eq!(position.choose_scan(at(10)), None, "both scans of a small collection pause");
        assert_eq!(position.choose_scan(at(11)), Some(ScanKind::Recent));
        position.recent.ended = Some(at(34));
        assert_eq!(position.choose_scan(at(34)), Some(ScanKind::Others));
    }

    #[test]
    fn due_time_from_a_skewed_clock_is_ignored() {
        let mut position = ScanPosition::start("orders", at(0));
        position.due = at(1);
        assert!(!position.is_due(at(0)) && position.is_due(at(1)));
        position.due = at(24);
        assert!(!position.is_due(at(0)), "a turn may pause for a day");
        position.due = at(49);
        assert!(position.is_due(at(0)));
    }
}
