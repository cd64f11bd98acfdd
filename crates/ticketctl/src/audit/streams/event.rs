//! Change events as streams contain them: the exact check of one entity's events, and the digests by which confirmed
//! orders are matched with reservations.

use std::collections::BTreeMap;

use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use common::money::Money;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::entity::{Entity, EntityKind, text};
use crate::audit::finding::Finding;
use crate::audit::history::{self, Coverage, Step, digest, price};
use crate::audit::names::ONE_EVENT;

/// A change event, with the fields of its envelope that the audit reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Event {
    /// The id of the event.
    pub(super) id: String,
    /// The event type, such as `order.created.v1`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The id of the entity.
    pub(super) subject: String,
    /// When the change was made.
    pub(super) time: String,
    /// The version of the entity.
    #[serde(rename = "entityversion")]
    pub(super) version: u64,
    /// Whether a raise wrote the entity again, after its owner was restored to an earlier moment.
    #[serde(default)]
    pub(super) raised: bool,
    /// The payload.
    pub(super) data: Value,
}

impl Event {
    /// The parts of the event of this entity that are checked.
    pub(super) fn step(&self, entity: &str) -> Step<'_> {
        Step::new(entity, self.version, &self.data, self.raised)
    }
}

/// Checks the change events of the entity `id` against its stored aggregate, which is `None` if the owner does not have
/// it. `events` may contain events of other entities, which are ignored, and copies of an event, which count once.
pub(super) fn check(
    kind: EntityKind,
    id: &str,
    aggregate: Option<&Entity>,
    events: &[Event],
    coverage: &Coverage,
    found: &mut Vec<Finding>,
) {
    let EntityKind { service: database, entity, .. } = kind;
    let mut distinct: Vec<&Event> = Vec::new();
    for event in events.iter().filter(|event| event.subject == id) {
        match distinct.iter().find(|earlier| earlier.id == event.id) {
            None => distinct.push(event),
            Some(earlier) if *earlier == event => {}
            Some(_) => {
                let text = format!("event {} of {entity} {id} has two payloads", event.id);
                found.push(Finding::new(ONE_EVENT, database, [id, event.id.as_str()], text));
            }
        }
    }
    distinct.sort_by_key(|event| event.version);
    let steps: Vec<_> = distinct.iter().map(|event| event.step(entity)).collect();
    history::check(kind, id, aggregate, &steps, coverage, found);
}

/// A digest of order, ticket, seats and prices, if the event confirms an order: its seats are reserved and it awaits
/// payment.
pub(super) fn confirmation(entity: &str, event: &Event) -> Option<u64> {
    let data = &event.data;
    let is_confirmed = entity == "order" && data["status"] == OrderStatus::AwaitingPayment.as_ref();
    let seats = || json!([data["slots"], data["seats"]]).to_string();
    let prices = || [price(&data["unitPrice"]), price(&data["price"])].concat();
    is_confirmed.then(|| digest(&[&event.subject, text(&data["ticket"]["id"]), &seats(), &prices()]))
}

/// The digests of the reservations in the event of a ticket, one for each order that seats are reserved for. A digest
/// is of the order, the ticket, the seats, the price of a seat and the price of all seats of the order. It equals the
/// digest of that order's [`confirmation`].
pub(super) fn reservations(entity: &str, event: &Event) -> Vec<u64> {
    let data = &event.data;
    let seats = data["seats"].as_array().filter(|_| entity == "ticket");
    // The slots and the names of the seats, by order.
    let mut reserved: BTreeMap<&str, (Vec<usize>, Vec<&Value>)> = BTreeMap::new();
    for (slot, seat) in seats.into_iter().flatten().enumerate() {
        if seat["status"] == TicketStatus::Reserved.as_ref() {
            let (slots, names) = reserved.entry(text(&seat["orderId"])).or_default();
            slots.push(slot);
            names.push(&seat["name"]);
        }
    }
    let digests = reserved.into_iter().map(|(order, (slots, names))| {
        let total = Money::deserialize(&data["price"]).ok().and_then(|price| price.times(slots.len()));
        let prices = [price(&data["price"]), price(&json!(total))].concat();
        digest(&[order, &event.subject, &json!([slots, names]).to_string(), &prices])
    });
    digests.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entity::USERS;
    use crate::audit::fixtures::entity;

    fn event(id: &str, version: u64, data: Value) -> Event {
        let (kind, time) = (String::new(), String::new());
        Event { id: id.to_owned(), kind, subject: "1".to_owned(), time, version, raised: false, data }
    }

    #[test]
    fn event_has_one_payload() {
        let user = entity("1", json!({}));
        let check = |events: &[Event]| {
            let mut found = Vec::new();
            check(USERS, "1", Some(&user), events, &Coverage::default(), &mut found);
            found.iter().map(|finding| format!("{finding} {:?}", finding.ids)).collect::<Vec<_>>()
        };
        let (first, second) = (event("a", 0, json!("Ana")), event("b", 1, json!("Ann")));
        let stored_twice = [first.clone(), second.clone(), second.clone()];
        assert_eq!(check(&stored_twice), Vec::<String>::new());
        let other_payload = [first.clone(), second.clone(), event("b", 1, json!("Eve"))];
        assert_eq!(check(&other_payload), ["8 one-event: event b of user 1 has two payloads [\"1\", \"b\"]"]);
        let other_id = [first, second, event("c", 1, json!("Eve"))];
        assert_eq!(check(&other_id), ["8 one-event: user 1 has 2 events of version 1 [\"1\"]"]);
    }

    #[test]
    fn confirmation_has_the_digest_of_its_reservation() {
        let order = |[unit_price, price]: [i64; 2], slots: [u8; 2]| {
            let money = |amount| json!({ "amount": amount, "currency": "EUR" });
            let data = json!({
                "status": "awaitingPayment", "ticket": { "id": "t" }, "slots": slots, "seats": ["12", null],
                "unitPrice": money(unit_price), "price": money(price),
            });
            Event { subject: "o".to_owned(), ..event("a", 1, data) }
        };
        let ticket = |status: &str| {
            // Published by a newer release.
            let price = json!({ "amount": 5, "currency": "EUR", "addedLater": true });
            let seat = |name: Option<&str>, order: &str| json!({ "name": name, "status": status, "orderId": order });
            let data = json!({ "seats": [seat(None, "p"), seat(Some("12"), "o"), seat(None, "o")], "price": price });
            Event { subject: "t".to_owned(), ..event("b", 1, data) }
        };
        let reserved = reservations("ticket", &ticket("reserved"));
        assert_eq!(reserved.len(), 2, "one for each order");
        assert!(confirmation("order", &order([5, 10], [1, 2])).is_some_and(|confirmed| reserved.contains(&confirmed)));
        for other in [order([6, 12], [1, 2]), order([5, 5], [1, 2]), order([5, 10], [0, 1])] {
            assert!(confirmation("order", &other).is_some_and(|confirmed| !reserved.contains(&confirmed)));
        }
        assert_eq!(reservations("ticket", &ticket("sold")), Vec::<u64>::new());
        assert_eq!(confirmation("payment", &order([5, 10], [1, 2])), None);
    }
}
