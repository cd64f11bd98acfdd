//! Checks the change events of an entity against its stored aggregate: each version has exactly one event, the status
//! changes only along legal transitions, and so do the statuses of the seats of a listing, the terms of an order never
//! change, and no event has a version that the owner has not stored.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketStatus, TicketTerms};
use common::money::Money;
use common::seats::MAX_SEATS;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::entity::{Entity, EntityKind, text};
use super::finding::Finding;
use super::names::{Invariant, ONE_EVENT, OWNED, TERMS, TRANSITIONS};
use super::remedy::Remedy;

/// The parts of a change event that are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// The version of the entity.
    pub version: u64,
    /// The status in the payload; empty for entities without a status.
    pub status: &'a str,
    /// A digest of the terms, such as that of [`terms`]. It is equal for equal terms, and 0 for entities without terms.
    pub terms: u64,
    /// The statuses of a listing's seats; none for other entities.
    pub seats: SeatStatuses,
    /// Whether a raise wrote the entity at this version, after its owner was restored to an earlier moment. Its status
    /// may be any.
    pub is_raised: bool,
}

impl<'a> Step<'a> {
    /// Extracts the checked parts of an event's payload. `entity` is the name of the entity.
    pub fn new(entity: &str, version: u64, payload: &'a Value, is_raised: bool) -> Self {
        let seats = if entity == "ticket" { SeatStatuses::of(payload) } else { SeatStatuses::default() };
        Self { version, status: text(&payload["status"]), terms: terms(entity, payload), seats, is_raised }
    }
}

/// The statuses of the seats of a listing, in the order of their slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeatStatuses {
    /// [`Self::BITS_PER_SEAT`] bits for each seat; the first seat has the lowest bits. They are 0 where there is no seat,
    /// [`Self::UNKNOWN`] for an unknown status, and otherwise the index in [`Self::STATUSES`] plus one.
    packed: u32,
}

impl SeatStatuses {
    /// How many of the lowest bits of [`Self::packed`] are used.
    #[expect(clippy::cast_possible_truncation, reason = "a listing has few seats")]
    pub const BITS: u32 = Self::BITS_PER_SEAT * MAX_SEATS as u32;
    const BITS_PER_SEAT: u32 = 3;
    const SEAT_MASK: u32 = (1 << Self::BITS_PER_SEAT) - 1;
    const STATUSES: [TicketStatus; 4] =
        [TicketStatus::Available, TicketStatus::Reserved, TicketStatus::Sold, TicketStatus::Withdrawn];
    /// A status of another release.
    const UNKNOWN: u32 = Self::SEAT_MASK;

    /// The statuses in the payload of a listing.
    fn of(payload: &Value) -> Self {
        let number = |seat: &Value| {
            let status = text(&seat["status"]).parse::<TicketStatus>().ok();
            (1..)
                .zip(Self::STATUSES)
                .find(|(_, known)| Some(*known) == status)
                .map_or(Self::UNKNOWN, |(number, _)| number)
        };
        let seats = payload["seats"].as_array().into_iter().flatten().take(MAX_SEATS);
        let shifts = (0..).map(|slot| slot * Self::BITS_PER_SEAT);
        Self { packed: seats.zip(shifts).fold(0, |packed, (seat, shift)| packed | (number(seat) << shift)) }
    }

    /// The statuses, packed into the lowest [`Self::BITS`] bits.
    pub fn packed(self) -> u32 {
        self.packed
    }

    /// The inverse of [`Self::packed`].
    pub fn from_packed(packed: u32) -> Self {
        Self { packed }
    }

    /// The number of each seat, up to the last.
    fn numbers(self) -> impl Iterator<Item = u32> {
        let numbers = std::iter::successors(Some(self.packed), |rest| Some(rest >> Self::BITS_PER_SEAT));
        numbers.map(|rest| rest & Self::SEAT_MASK).take_while(|number| *number > 0)
    }

    /// Describes the first seat that may not change so. One that is sold or withdrawn stays so, a free one is not sold
    /// before it is reserved, and seats appear or disappear only while all are free.
    fn wrong_change(self, next: Self) -> Option<String> {
        use TicketStatus::{Available, Reserved, Sold, Withdrawn};
        let status = |number: u32| Self::STATUSES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied();
        let are_free = |seats: Self| seats.numbers().all(|number| status(number) == Some(Available));
        if self.numbers().count() != next.numbers().count() {
            return (!are_free(self) || !are_free(next)).then(|| "the number of seats changed".to_owned());
        }
        let may_follow = |one: u32, other: u32| match (status(one), status(other)) {
            (Some(one), Some(other)) => match one {
                Available => other != Sold,
                Reserved => true,
                Sold | Withdrawn => other == one,
            },
            _ => one == other,
        };
        let mut changes = self.numbers().zip(next.numbers()).enumerate();
        let (slot, (one, other)) = changes.find(|(_, (one, other))| !may_follow(*one, *other))?;
        let name =
            |number| status(number).map_or_else(|| "an unknown status".to_owned(), |status| status.as_ref().to_owned());
        Some(format!("seat {slot} changed from {} to {}", name(one), name(other)))
    }
}

/// A digest of the part of a payload that must never change: the prices, the seats and the ticket of an order. It is 0
/// for all other entities. Fields that this release does not know are left out, because the events of one order may
/// come from instances of two releases, of which the newer one adds fields.
pub fn terms(entity: &str, payload: &Value) -> u64 {
    if entity != "order" {
        return 0;
    }
    let ticket = known::<TicketTerms>(&payload["ticket"]);
    let slots = payload["slots"].to_string();
    digest(&[&price(&payload["price"]), &price(&payload["unitPrice"]), &slots, &payload["seats"].to_string(), &ticket])
}

/// A price in a payload as JSON, without the fields that this release does not know, as in [`terms`].
pub fn price(price: &Value) -> String {
    known::<Money>(price)
}

/// Serialises a value as JSON without the fields that `T` lacks. A value that is no `T` is serialised unchanged.
fn known<T: DeserializeOwned + Serialize>(value: &Value) -> String {
    let known = T::deserialize(value).and_then(|known| serde_json::to_string(&known));
    known.unwrap_or_else(|_| value.to_string())
}

/// A 64-bit digest of texts. Digests are comparable only within one run of the program.
pub fn digest(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}

/// The period whose changes must have an event among those that were read. Times are RFC 3339 texts, which sort
/// chronologically. The default covers all changes.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Changes at or after this time must have an event.
    pub begin: String,
    /// Changes at or after this time need not have an event yet. `None` if there is no such limit.
    pub end: Option<String>,
}

/// The first and the last version that must have an event; `None` if no version must.
fn expected_versions(aggregate: &Entity, steps: &[Step<'_>], coverage: &Coverage) -> Option<(u64, u64)> {
    let created = text(&aggregate.state["createdAt"]);
    let changed = text(&aggregate.state["updatedAt"]);
    let changed = if changed.is_empty() { created } else { changed };
    let is_recent = coverage.end.as_ref().is_some_and(|end| changed >= end.as_str());
    let first = match steps.first() {
        _ if created >= coverage.begin.as_str() => 0,
        Some(step) => step.version,
        None if changed >= coverage.begin.as_str() => aggregate.version,
        None => return None,
    };
    match steps.last() {
        Some(last) if is_recent => Some((first, last.version)),
        None if is_recent => None,
        _ => Some((first, aggregate.version)),
    }
}

/// Checks the change events of an entity against its stored aggregate, which is `None` if the owner does not have it.
/// `steps` are sorted by version. Two steps of one version are reported as two events, even if they come from one
/// message that the stream stored twice.
pub fn check(
    kind: EntityKind,
    id: &str,
    aggregate: Option<&Entity>,
    steps: &[Step<'_>],
    coverage: &Coverage,
    found: &mut Vec<Finding>,
) {
    let EntityKind { service: database, entity, .. } = kind;
    let mut report = |invariant: Invariant, text: String| {
        let is_behind = invariant == OWNED && aggregate.is_some();
        let remedies = if is_behind { vec![Remedy::raise(database, id)] } else { Vec::new() };
        found.push(Finding::new(invariant, database, [id], text).repaired_by(remedies));
    };
    let newest = steps.last().map(|last| last.version);
    let mut range = None;
    match (aggregate, newest) {
        (Some(aggregate), newest) => {
            range = expected_versions(aggregate, steps, coverage);
            if let Some(newest) = newest.filter(|newest| *newest > aggregate.version) {
                let text = format!("{entity} {id} was published at version {newest}, which {database} has not reached");
                report(OWNED, text);
            }
        }
        (None, Some(newest)) => {
            let text = format!("{entity} {id} was published at version {newest}, but {database} does not have it");
            report(OWNED, text);
        }
        (None, None) => {}
    }
    for text in wrong_counts(entity, id, range, steps) {
        report(ONE_EVENT, text);
    }
    let mut before: Option<&Step<'_>> = None;
    for step in steps {
        let earlier = match before {
            Some(before) if before.version.checked_add(1) == Some(step.version) => Some(before),
            None if step.version == 0 => None,
            // The change can't be checked: there is no event of the preceding version, or this is another event of the
            // same version.
            _ => {
                before = Some(step);
                continue;
            }
        };
        let earlier_status = earlier.map(|earlier| earlier.status);
        if !step.is_raised && !may_follow(entity, earlier_status, step.status) {
            let earlier = earlier_status.unwrap_or_default();
            report(TRANSITIONS, format!("{entity} {id} changed from {earlier} to {}", step.status));
        }
        if let Some(change) = earlier.and_then(|earlier| earlier.seats.wrong_change(step.seats))
            && !step.is_raised
        {
            report(TRANSITIONS, format!("{entity} {id}, version {}: {change}", step.version));
        }
        before = Some(step);
    }
    if steps.windows(2).any(|pair| matches!(pair, [one, other] if one.terms != other.terms)) {
        report(TERMS, format!("the terms of {entity} {id} changed"));
    }
}

/// Describes the versions without an event, from the start of `range` to its end or to the newest step, whichever is
/// later. Then describes all versions with several events.
fn wrong_counts(entity: &str, id: &str, range: Option<(u64, u64)>, steps: &[Step<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut missing = |first: u64, last: u64| {
        if first == last {
            wrong.push(format!("{entity} {id} has 0 events of version {first}"));
        } else if first < last {
            wrong.push(format!("{entity} {id} has 0 events of each version from {first} to {last}"));
        }
    };
    let mut next = range.map(|(first, _)| first);
    let mut repeated = Vec::new();
    for same_version in steps.chunk_by(|one, other| one.version == other.version) {
        let Some(version) = same_version.first().map(|step| step.version) else { continue };
        if let Some(before) = version.checked_sub(1)
            && let Some(next) = next.filter(|next| *next <= before)
        {
            missing(next, before);
        }
        if same_version.len() > 1 {
            repeated.push(format!("{entity} {id} has {} events of version {version}", same_version.len()));
        }
        next = next.map(|next| next.max(version.saturating_add(1)));
    }
    if let (Some(next), Some((_, last))) = (next, range)
        && next <= last
    {
        missing(next, last);
    }
    wrong.extend(repeated);
    wrong
}

/// Whether an entity may change from the status `before` to `status`. `before` is `None` when the entity is created.
fn may_follow(entity: &str, before: Option<&str>, status: &str) -> bool {
    match entity {
        "ticket" => is_among(next_ticket_statuses, before, status),
        "order" => is_among(next_order_statuses, before, status),
        "payment" => is_among(next_payment_statuses, before, status),
        _ => true,
    }
}

fn is_among<S: FromStr + AsRef<str> + 'static>(
    next: fn(Option<S>) -> &'static [S],
    before: Option<&str>,
    status: &str,
) -> bool {
    let before = match before.map(str::parse::<S>) {
        None => None,
        Some(Ok(before)) => Some(before),
        Some(Err(_)) => return false,
    };
    next(before).iter().any(|next| next.as_ref() == status)
}

fn next_ticket_statuses(status: Option<TicketStatus>) -> &'static [TicketStatus] {
    use TicketStatus::{Available, Reserved, Sold, Withdrawn};
    // The status of a listing follows from its seats. One with a free seat becomes sold only after it was reserved,
    // since a sale changes no free seat. Edits, and refusals that are added or removed, do not change the status.
    match status {
        None => &[Available],
        Some(Available) => &[Available, Reserved, Withdrawn],
        Some(Reserved) => &[Reserved, Available, Sold],
        Some(Sold) => &[Sold],
        Some(Withdrawn) => &[Withdrawn],
    }
}

fn next_order_statuses(status: Option<OrderStatus>) -> &'static [OrderStatus] {
    use OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
    match status {
        None => &[Created],
        Some(Created) => &[AwaitingPayment, Cancelled],
        Some(AwaitingPayment) => &[Authorized, Cancelled],
        Some(Authorized) => &[Completed, Cancelled],
        Some(Completed | Cancelled) => &[],
    }
}

fn next_payment_statuses(status: Option<PaymentStatus>) -> &'static [PaymentStatus] {
    use PaymentStatus::{Authorized, Authorizing, Captured, Declined, Failed, RequiresAction, Voided};
    match status {
        None => &[Authorizing],
        // A late response of the provider keeps the status `authorizing`, a failed capture keeps `authorized`.
        Some(Authorizing) => &[Authorizing, RequiresAction, Authorized, Captured, Declined],
        Some(RequiresAction) => &[Authorized, Captured, Declined, Voided],
        Some(Authorized) => &[Authorized, Captured, Declined, Failed, Voided],
        // Refunds and disputes are published while the payment stays captured.
        Some(Captured) => &[Captured],
        Some(Declined | Failed | Voided) => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::entity::{ORDERS, TICKETS};
    use crate::audit::fixtures::entity;

    /// An aggregate at this version that was created and last changed at these times.
    fn aggregate(version: u64, created: &str, changed: &str) -> Entity {
        Entity { version, ..entity("1", json!({ "createdAt": created, "updatedAt": changed })) }
    }

    fn steps<'a>(steps: &[(u64, &'a str)]) -> Vec<Step<'a>> {
        let payloads = steps.iter().map(|(version, status)| Step {
            version: *version,
            status,
            terms: 0,
            seats: SeatStatuses::default(),
            is_raised: false,
        });
        payloads.collect()
    }

    fn found(kind: EntityKind, aggregate: Option<&Entity>, steps: &[Step<'_>], coverage: &Coverage) -> Vec<String> {
        let mut found = Vec::new();
        check(kind, "1", aggregate, steps, coverage, &mut found);
        assert!(found.iter().all(|finding| finding.database == kind.service && finding.ids == ["1"]), "{found:?}");
        found.iter().map(ToString::to_string).collect()
    }

    fn found_in_all(aggregate: Option<&Entity>, history: &[(u64, &str)]) -> Vec<String> {
        found(ORDERS, aggregate, &steps(history), &Coverage::default())
    }

    #[test]
    fn each_version_has_one_event_that_its_owner_knows() {
        let order = aggregate(2, "1", "3");
        let all = [(0, "created"), (1, "awaitingPayment"), (2, "cancelled")];
        assert_eq!(found_in_all(Some(&order), &all), Vec::<String>::new());
        assert_eq!(found_in_all(None, &[]), Vec::<String>::new());
        assert_eq!(found_in_all(Some(&order), &all[..2]), ["8 one-event: order 1 has 0 events of version 2"]);
        assert_eq!(found_in_all(Some(&order), &[]), ["8 one-event: order 1 has 0 events of each version from 0 to 2"]);
        let gap = [all[0], all[2]];
        assert_eq!(found_in_all(Some(&order), &gap), ["8 one-event: order 1 has 0 events of version 1"]);
        let twice = [all[0], all[1], all[1], all[2]];
        assert_eq!(found_in_all(Some(&order), &twice), ["8 one-event: order 1 has 2 events of version 1"]);
        assert_eq!(
            found_in_all(Some(&aggregate(1, "1", "2")), &all),
            ["16 owned: order 1 was published at version 2, which orders has not reached"]
        );
        assert_eq!(
            found_in_all(None, &all),
            ["16 owned: order 1 was published at version 2, but orders does not have it"]
        );
    }

    #[test]
    fn only_changes_that_the_stream_covers_need_events() {
        let coverage = Coverage { begin: "5".to_owned(), end: Some("8".to_owned()) };
        let check =
            |aggregate: &Entity, history: &[(u64, &str)]| found(TICKETS, Some(aggregate), &steps(history), &coverage);
        let none = Vec::<String>::new();
        assert_eq!(check(&aggregate(3, "1", "4"), &[]), none, "older than the stream");
        assert_eq!(check(&aggregate(3, "1", "6"), &[(3, "sold")]), none, "the older events are gone");
        assert_eq!(check(&aggregate(3, "1", "6"), &[(2, "reserved"), (3, "sold")]), none);
        assert_eq!(check(&aggregate(3, "1", "6"), &[]), ["8 one-event: ticket 1 has 0 events of version 3"]);
        assert_eq!(check(&aggregate(1, "5", "6"), &[(1, "sold")]), ["8 one-event: ticket 1 has 0 events of version 0"]);
        assert_eq!(check(&aggregate(1, "6", "8"), &[(0, "available")]), none, "changed after the stream was read");
        assert_eq!(check(&aggregate(0, "9", "9"), &[]), none, "created after the stream was read");
    }

    #[test]
    fn final_status_is_never_left() {
        let all = Coverage::default();
        for (history, changed) in [
            (&[(0, "created"), (1, "completed")][..], "created to completed"),
            (&[(0, "created"), (1, "cancelled"), (2, "awaitingPayment")][..], "cancelled to awaitingPayment"),
            (&[(0, "authorized")][..], " to authorized"),
            (&[(0, "created"), (1, "lost")][..], "created to lost"),
        ] {
            let order = aggregate(history.last().unwrap().0, "1", "1");
            let expected = format!("11 transitions: order 1 changed from {changed}");
            assert_eq!(found(ORDERS, Some(&order), &steps(history), &all), [expected]);
        }
        let sold = steps(&[(0, "available"), (1, "reserved"), (2, "sold"), (3, "available")]);
        let expected = "11 transitions: ticket 1 changed from sold to available";
        assert_eq!(found(TICKETS, Some(&aggregate(3, "1", "1")), &sold, &all), [expected]);
    }

    #[test]
    fn seats_change_along_legal_transitions() {
        let payload = |seats: &[&str]| {
            let seats: Vec<_> = seats.iter().map(|status| json!({ "status": status })).collect();
            json!({ "status": "withdrawn", "seats": seats })
        };
        let check = |before: &[&str], after: &[&str], is_raised: bool| {
            let (before, after) = (payload(before), payload(after));
            let steps = [Step::new("ticket", 4, &before, false), Step::new("ticket", 5, &after, is_raised)];
            let coverage = Coverage { begin: "9".to_owned(), end: None };
            found(TICKETS, Some(&aggregate(5, "1", "1")), &steps, &coverage)
        };
        let none = Vec::<String>::new();
        for (before, after) in [
            (&["available", "reserved", "sold"][..], &["reserved", "sold", "sold"][..]),
            (&["available", "reserved", "sold"], &["withdrawn", "withdrawn", "sold"]),
            (&["withdrawn", "reserved", "brandNew"], &["withdrawn", "available", "brandNew"]),
            (&["available"; 8], &["available"]),
            (&["sold"; 8], &["sold"; 8]),
        ] {
            assert_eq!(check(before, after, false), none, "{before:?} {after:?}");
        }
        for (before, after, change) in [
            (&["sold", "withdrawn"][..], &["sold", "reserved"][..], "seat 1 changed from withdrawn to reserved"),
            (&["sold", "withdrawn"], &["available", "withdrawn"], "seat 0 changed from sold to available"),
            (
                &["available"; 8],
                &["available", "sold", "sold", "sold", "sold", "sold", "sold", "sold"],
                "seat 1 changed from available to sold",
            ),
            (&["reserved", "available"], &["reserved"], "the number of seats changed"),
            (&["reserved"], &["brandNew"], "seat 0 changed from reserved to an unknown status"),
        ] {
            let expected = format!("11 transitions: ticket 1, version 5: {change}");
            assert_eq!(check(before, after, false), [expected]);
            assert_eq!(check(before, after, true), none, "a raise may return to any status");
        }
    }

    #[test]
    fn raise_may_return_to_any_status() {
        let mut history = steps(&[(0, "created"), (1, "completed"), (2, "awaitingPayment"), (3, "completed")]);
        history[1].is_raised = true;
        let order = aggregate(3, "1", "1");
        let check = |history: &[Step<'_>]| found(ORDERS, Some(&order), history, &Coverage::default());
        let changed = |from_to: &str| format!("11 transitions: order 1 changed from {from_to}");
        let (left, skipped) = (changed("completed to awaitingPayment"), changed("awaitingPayment to completed"));
        assert_eq!(check(&history), [left, skipped.clone()]);
        history[2].is_raised = true;
        assert_eq!(check(&history), [skipped], "what follows a raise is checked");
    }

    #[test]
    fn fields_of_another_release_are_no_change_of_terms() {
        let one = json!({ "price": { "amount": 5, "currency": "EUR" }, "ticket": null });
        let mut other = one.clone();
        other["price"]["addedLater"] = json!("anything");
        assert_eq!(terms("order", &one), terms("order", &other));
        other["price"]["amount"] = json!(6);
        assert_ne!(terms("order", &one), terms("order", &other));
    }

    #[test]
    fn terms_of_an_order_never_change() {
        let payload = |status: &str, amount: i64| json!({ "status": status, "price": { "amount": amount } });
        let check = |one: Value, other: Value| {
            let steps = [Step::new("order", 0, &one, false), Step::new("order", 1, &other, false)];
            found(ORDERS, Some(&aggregate(1, "1", "1")), &steps, &Coverage::default())
        };
        let (created, confirmed) = (payload("created", 5), payload("awaitingPayment", 5));
        let mut other_seats = confirmed.clone();
        other_seats["slots"] = json!([2, 3]);
        assert_eq!(check(created.clone(), other_seats), ["13 terms: the terms of order 1 changed"]);
        assert_eq!(check(created.clone(), confirmed), Vec::<String>::new());
        assert_eq!(check(created, payload("awaitingPayment", 6)), ["13 terms: the terms of order 1 changed"]);
    }
}
