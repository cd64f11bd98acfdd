//! Compact digests (marks) of all change events of a stream, so that millions of them fit in memory.
//!
//! # Why
//! The events of an entity are scattered over the stream, but a check needs all of them together. A mark has 20 bytes.
//! A purchase has four events of its order, three of its ticket and three of its payment, and only one stream is in
//! memory at a time: a million orders take less than 100 MB. Digests can collide, so marks only show which entities are
//! suspect. The events of those are then read and checked exactly.

use std::ops::Range;

use super::event::Event;
use crate::audit::entity::TICKETS;
use crate::audit::history::{SeatStatuses, Step, digest};

/// The digest of one event. Marks sort by entity, then by version, then by position in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    /// A digest of the entity's id. Two halves, because a `u64` would need an alignment that enlarges the mark.
    entity: [u32; 2],
    /// The version of the entity, at most `u32::MAX`.
    version: u32,
    /// The position in the stream: the sequence number of the event minus [`Marks::first`].
    position: u32,
    /// The number of the status in the lowest [`STATUS_BITS`] bits, then [`RAISED`]. The other bits contain the statuses
    /// of a listing's seats; for other entities, a digest of the terms.
    content: u32,
}

/// Number of bits for the number of a status.
const STATUS_BITS: u32 = 4;
/// The bit that is set for the event of a raise, which may follow any status.
const RAISED: u32 = 1 << STATUS_BITS;
/// The number of each status for which no number of its own is left.
const OTHER_STATUS: u32 = (1 << STATUS_BITS) - 1;

/// The digests of a stream's change events.
#[derive(Debug)]
pub(super) struct Marks {
    /// The name of the entity.
    entity: &'static str,
    /// The sequence number of position 0.
    first: u64,
    list: Vec<Mark>,
    /// The status with each number.
    statuses: Vec<String>,
    /// For the first mark of each entity, at the same index: whether the owner has the entity. The other elements are
    /// not used.
    is_owned: Vec<bool>,
}

/// The digest of an entity's id, as [`Mark::entity`] has it.
fn key(id: &str) -> [u32; 2] {
    let digest = digest(&[id]);
    [high(digest), low(digest)]
}

fn high(digest: u64) -> u32 {
    low(digest >> u32::BITS)
}

#[expect(clippy::cast_possible_truncation, reason = "only the lower half is used")]
fn low(digest: u64) -> u32 {
    digest as u32
}

impl Marks {
    /// Creates an empty list for a stream of `entity` that is read from the sequence number `first`. Capacity that is
    /// not used takes no physical memory.
    pub(super) fn new(entity: &'static str, first: u64, capacity: usize) -> Self {
        Self { entity, first, list: Vec::with_capacity(capacity), statuses: Vec::new(), is_owned: Vec::new() }
    }

    /// Adds the mark of the event with this sequence number.
    pub(super) fn add(&mut self, sequence: u64, event: &Event) {
        let step = event.step(self.entity);
        let number = self.statuses.iter().position(|known| known == step.status).unwrap_or(self.statuses.len());
        let status = u32::try_from(number).unwrap_or(OTHER_STATUS).min(OTHER_STATUS);
        if number == self.statuses.len() && status < OTHER_STATUS {
            self.statuses.push(step.status.to_owned());
        }
        let details = if self.entity == TICKETS.entity { step.seats.packed() } else { high(step.terms) };
        self.list.push(Mark {
            entity: key(&event.subject),
            version: u32::try_from(event.version).unwrap_or(u32::MAX),
            position: u32::try_from(sequence.saturating_sub(self.first)).unwrap_or(u32::MAX),
            content: (details << (STATUS_BITS + 1)) | (if step.is_raised { RAISED } else { 0 }) | status,
        });
    }

    /// Sorts the marks. Must be called after the last [`Self::add`] and before any other method.
    pub(super) fn sort(&mut self) {
        self.list.sort_unstable();
        self.is_owned = vec![false; self.list.len()];
    }

    /// Returns the marks of an entity that its owner has, and records that it has it for [`Self::unowned`].
    pub(super) fn of_owned(&mut self, id: &str) -> Range<usize> {
        let key = key(id);
        let start = self.list.partition_point(|mark| mark.entity < key);
        let end = self.list.partition_point(|mark| mark.entity <= key);
        if let Some(is_owned) = self.is_owned.get_mut(start).filter(|_| start < end) {
            *is_owned = true;
        }
        start..end
    }

    /// The marks of each entity that was not passed to [`Self::of_owned`]: its owner does not have it.
    pub(super) fn unowned(&self) -> Vec<Range<usize>> {
        let (mut unowned, mut start) = (Vec::new(), 0);
        for same_entity in self.list.chunk_by(|one, other| one.entity == other.entity) {
            let end = start + same_entity.len();
            if self.is_owned.get(start) == Some(&false) {
                unowned.push(start..end);
            }
            start = end;
        }
        unowned
    }

    /// The versions, statuses, terms and seats of these marks, sorted by version. A status without a number is `?`.
    pub(super) fn steps(&self, range: Range<usize>) -> Vec<Step<'_>> {
        let marks = self.list.get(range).unwrap_or_default();
        let step = |mark: &Mark| {
            let status = usize::try_from(mark.content & OTHER_STATUS).ok().and_then(|number| self.statuses.get(number));
            let status = status.map_or("?", String::as_str);
            let details = mark.content >> (STATUS_BITS + 1);
            let (terms, seats) = if self.entity == TICKETS.entity {
                (0, SeatStatuses::from_packed(details))
            } else {
                (details.into(), SeatStatuses::default())
            };
            Step { version: mark.version.into(), status, terms, seats, is_raised: mark.content & RAISED != 0 }
        };
        marks.iter().map(step).collect()
    }

    /// The sequence numbers of the events of these marks.
    pub(super) fn sequences(&self, range: Range<usize>) -> Vec<u64> {
        let marks = self.list.get(range).unwrap_or_default();
        marks.iter().map(|mark| self.first + u64::from(mark.position)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(subject: &str, version: u64, data: Value) -> Event {
        let (id, kind, time) = (String::new(), String::new(), String::new());
        Event { id, kind, subject: subject.to_owned(), time, version, raised: false, data }
    }

    #[test]
    fn mark_is_small() {
        assert_eq!(size_of::<Mark>(), 20);
    }

    #[test]
    fn marks_contain_the_history_of_each_entity() {
        let mut marks = Marks::new("order", 100, 8);
        let payload = |status: &str, price: i64| json!({ "status": status, "price": price });
        marks.add(100, &event("o", 0, payload("created", 5)));
        marks.add(101, &event("p", 0, payload("created", 7)));
        marks.add(103, &event("o", 2, payload("cancelled", 6)));
        marks.add(105, &Event { raised: true, ..event("o", 1, payload("awaitingPayment", 5)) });
        marks.sort();
        let range = marks.of_owned("o");
        let steps = marks.steps(range.clone());
        let history: Vec<_> = steps.iter().map(|step| (step.version, step.status)).collect();
        assert_eq!(history, [(0, "created"), (1, "awaitingPayment"), (2, "cancelled")]);
        assert_eq!(steps.iter().map(|step| step.is_raised).collect::<Vec<_>>(), [false, true, false]);
        let terms: Vec<_> = steps.iter().map(|step| step.terms).collect();
        assert!(terms[0] == terms[1] && terms[1] != terms[2], "{terms:?}");
        assert_eq!(marks.sequences(range), [100, 105, 103]);
        assert!(marks.of_owned("q").is_empty());
        let unowned: Vec<_> = marks.unowned().into_iter().flat_map(|range| marks.sequences(range)).collect();
        assert_eq!(unowned, [101], "the owner does not have p");
    }

    #[test]
    fn marks_of_listings_contain_the_statuses_of_all_seats() {
        const { assert!(SeatStatuses::BITS < u32::BITS - STATUS_BITS) };
        let mut marks = Marks::new("ticket", 1, 1);
        let statuses = ["available", "reserved", "sold", "withdrawn", "sold", "brandNew", "available", "withdrawn"];
        let seats: Vec<_> = statuses.iter().map(|status| json!({ "status": status })).collect();
        let event = Event { raised: true, ..event("t", 0, json!({ "status": "withdrawn", "seats": seats })) };
        marks.add(1, &event);
        marks.sort();
        let range = marks.of_owned("t");
        assert_eq!(marks.steps(range), [event.step("ticket")]);
    }

    #[test]
    fn unexpected_statuses_and_versions_do_no_harm() {
        let mut marks = Marks::new("order", 1, 1);
        for number in 0..20_u64 {
            marks.add(number + 1, &event("o", u64::MAX - number, json!({ "status": number.to_string() })));
        }
        marks.sort();
        let range = marks.of_owned("o");
        assert_eq!(marks.steps(range.clone()).len(), 20);
        assert_eq!(marks.steps(range).iter().filter(|step| step.status == "?").count(), 5);
    }
}
