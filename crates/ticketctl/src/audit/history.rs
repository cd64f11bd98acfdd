//! The history of an entity in its change events: each version has one event, its status changes along legal
//! transitions, the terms of an order never change, and its owner knows all of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketStatus, TicketTerms};
use common::money::Money;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::entity::{Entity, Owned, text};
use super::finding::Finding;
use super::names::{Invariant, ONE_EVENT, OWNED, TERMS, TRANSITIONS};
use super::remedy::Remedy;

/// What a change event says about its entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// The version of the entity.
    pub version: u64,
    /// The status in the payload; empty if the entity has none.
    pub status: &'a str,
    /// A digest of the terms; equal for equal terms, and 0 for entities without terms.
    pub terms: u64,
}

impl<'a> Step<'a> {
    /// The step of an event with this payload.
    pub fn new(entity: &str, version: u64, payload: &'a Value) -> Self {
        Self { version, status: text(&payload["status"]), terms: terms(entity, payload) }
    }
}

/// A digest of what must never change in an entity's payload: the price and the ticket of an order, in the fields that
/// this release knows. The events of one order may come from instances of two releases, of which one adds fields.
pub fn terms(entity: &str, payload: &Value) -> u64 {
    if entity != "order" {
        return 0;
    }
    digest(&[&known::<Money>(&payload["price"]), &known::<TicketTerms>(&payload["ticket"])])
}

/// A value as JSON without unknown fields; what is not of this type remains as it is.
fn known<T: DeserializeOwned + Serialize>(value: &Value) -> String {
    let known = T::deserialize(value).and_then(|known| serde_json::to_string(&known));
    known.unwrap_or_else(|_| value.to_string())
}

/// A digest of texts, which is the same for the same texts within this program.
pub fn digest(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}

/// Which changes have events among those that are checked. Times are texts, which sort chronologically. By default all
/// have.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Changes at or after this time have one.
    pub begin: String,
    /// Changes at or after this time may have none yet.
    pub end: Option<String>,
}

/// The versions of an entity that must have events; none if none must.
fn expected(owner: &Entity, steps: &[Step<'_>], coverage: &Coverage) -> Option<(u64, u64)> {
    let created = text(&owner.state["createdAt"]);
    let changed = text(&owner.state["updatedAt"]);
    let changed = if changed.is_empty() { created } else { changed };
    let is_recent = coverage.end.as_ref().is_some_and(|end| changed >= end.as_str());
    let first = match steps.first() {
        _ if created >= coverage.begin.as_str() => 0,
        Some(step) => step.version,
        None if changed >= coverage.begin.as_str() => owner.version,
        None => return None,
    };
    match steps.last() {
        Some(last) if is_recent => Some((first, last.version)),
        None if is_recent => None,
        _ => Some((first, owner.version)),
    }
}

/// Checks the change events of an entity against its owner. They are sorted by version, and an event that was stored
/// twice is listed once.
pub fn check(
    owned: Owned,
    id: &str,
    owner: Option<&Entity>,
    steps: &[Step<'_>],
    coverage: &Coverage,
    found: &mut Vec<Finding>,
) {
    let (database, _, entity) = owned;
    let mut report = |invariant: Invariant, text: String| {
        let is_behind = invariant == OWNED && owner.is_some();
        let remedies = if is_behind { vec![Remedy::raise(database, id)] } else { Vec::new() };
        found.push(Finding::new(invariant, database, [id], text).repaired_by(remedies));
    };
    let newest = steps.last().map(|last| last.version);
    let mut range = None;
    match (owner, newest) {
        (Some(owner), newest) => {
            range = expected(owner, steps, coverage);
            if let Some(newest) = newest.filter(|newest| *newest > owner.version) {
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
            Some(before) if before.version.checked_add(1) == Some(step.version) => Some(before.status),
            None if step.version == 0 => None,
            // The event of the version before it is missing, no longer stored, or one of two.
            _ => {
                before = Some(step);
                continue;
            }
        };
        if !may_follow(entity, earlier, step.status) {
            let earlier = earlier.unwrap_or_default();
            report(TRANSITIONS, format!("{entity} {id} changed from {earlier} to {}", step.status));
        }
        before = Some(step);
    }
    if steps.windows(2).any(|pair| matches!(pair, [one, other] if one.terms != other.terms)) {
        report(TERMS, format!("the terms of {entity} {id} changed"));
    }
}

/// Describes the versions in this range that do not have one event, and those beyond it with several.
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
    for joined in steps.chunk_by(|one, other| one.version == other.version) {
        let Some(version) = joined.first().map(|step| step.version) else { continue };
        if let Some(before) = version.checked_sub(1)
            && let Some(next) = next.filter(|next| *next <= before)
        {
            missing(next, before);
        }
        if joined.len() > 1 {
            repeated.push(format!("{entity} {id} has {} events of version {version}", joined.len()));
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

/// Whether an entity may have a status after another one, or at its creation. An owner that was restored to an earlier
/// moment writes its state again at a higher version, so the same status may follow.
fn may_follow(entity: &str, before: Option<&str>, status: &str) -> bool {
    if before == Some(status) {
        return true;
    }
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
    // Edits, and refusals that are added or removed, do not change the status.
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
        // A late response of the provider and a failed capture are published without a change of status.
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
    use crate::audit::entity::REPLICATED_ENTITIES;
    use crate::audit::fixtures::entity;

    const TICKETS: Owned = REPLICATED_ENTITIES[1];
    const ORDERS: Owned = REPLICATED_ENTITIES[2];

    /// An owner at this version, created and changed at these times.
    fn owner(version: u64, created: &str, changed: &str) -> Entity {
        Entity { version, ..entity("1", json!({ "createdAt": created, "updatedAt": changed })) }
    }

    fn steps<'a>(steps: &[(u64, &'a str)]) -> Vec<Step<'a>> {
        steps.iter().map(|(version, status)| Step { version: *version, status, terms: 0 }).collect()
    }

    fn found(owned: Owned, owner: Option<&Entity>, steps: &[Step<'_>], coverage: &Coverage) -> Vec<String> {
        let mut found = Vec::new();
        check(owned, "1", owner, steps, coverage, &mut found);
        assert!(found.iter().all(|finding| finding.database == owned.0 && finding.ids == ["1"]), "{found:?}");
        found.iter().map(ToString::to_string).collect()
    }

    fn found_in_all(owner: Option<&Entity>, history: &[(u64, &str)]) -> Vec<String> {
        found(ORDERS, owner, &steps(history), &Coverage::default())
    }

    #[test]
    fn each_version_has_one_event_that_its_owner_knows() {
        let order = owner(2, "1", "3");
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
            found_in_all(Some(&owner(1, "1", "2")), &all),
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
        let check = |owner: &Entity, history: &[(u64, &str)]| found(TICKETS, Some(owner), &steps(history), &coverage);
        let none = Vec::<String>::new();
        assert_eq!(check(&owner(3, "1", "4"), &[]), none, "older than the stream");
        assert_eq!(check(&owner(3, "1", "6"), &[(3, "sold")]), none, "the older events are gone");
        assert_eq!(check(&owner(3, "1", "6"), &[(2, "reserved"), (3, "sold")]), none);
        assert_eq!(check(&owner(3, "1", "6"), &[]), ["8 one-event: ticket 1 has 0 events of version 3"]);
        assert_eq!(check(&owner(1, "5", "6"), &[(1, "sold")]), ["8 one-event: ticket 1 has 0 events of version 0"]);
        assert_eq!(check(&owner(1, "6", "8"), &[(0, "available")]), none, "changed after the stream was read");
        assert_eq!(check(&owner(0, "9", "9"), &[]), none, "created after the stream was read");
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
            let order = owner(history.last().unwrap().0, "1", "1");
            let expected = format!("11 transitions: order 1 changed from {changed}");
            assert_eq!(found(ORDERS, Some(&order), &steps(history), &all), [expected]);
        }
        let sold = steps(&[(0, "available"), (1, "reserved"), (2, "sold"), (3, "available")]);
        let expected = "11 transitions: ticket 1 changed from sold to available";
        assert_eq!(found(TICKETS, Some(&owner(3, "1", "1")), &sold, &all), [expected]);
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
            let steps = [Step::new("order", 0, &one), Step::new("order", 1, &other)];
            found(ORDERS, Some(&owner(1, "1", "1")), &steps, &Coverage::default())
        };
        let (created, confirmed) = (payload("created", 5), payload("awaitingPayment", 5));
        assert_eq!(check(created.clone(), confirmed), Vec::<String>::new());
        assert_eq!(check(created, payload("awaitingPayment", 6)), ["13 terms: the terms of order 1 changed"]);
    }
}
