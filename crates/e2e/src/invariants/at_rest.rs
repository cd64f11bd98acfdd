//! Checks that a fleet has come to rest: every order, payment and timer has ended, and no seat is reserved.
//!
//! # Why
//! The other checks compare entities with each other. They do not find an order, a payment and a listing that wait for
//! each other forever, because these are consistent.

use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use ticketctl::audit::entity::Entity;
use ticketctl::audit::seats::seats;

use super::databases::Databases;
use super::names::AT_REST;

/// Appends a violation for each entity that has not ended. Only chaos checks this: its holds are short enough to expire
/// before the check, while in other tests an unpaid order may remain.
pub(super) fn check(databases: &Databases, violations: &mut Vec<String>) {
    // The status of a listing does not show this: one that is `available` or `withdrawn` may have reserved seats.
    let is_reserved = |ticket: &&Entity| seats(ticket).any(|seat| seat.status == Some(TicketStatus::Reserved));
    for ticket in databases.owned("tickets").iter().filter(is_reserved) {
        violations.push(format!("{AT_REST}: ticket {} still has reserved seats", ticket.id));
    }
    let mut report = |collection: &str, is_at_rest: fn(&Entity) -> bool| {
        for entity in databases.owned(collection).iter().filter(|entity| !is_at_rest(entity)) {
            violations.push(format!("{AT_REST}: {collection} {} is still {}", entity.id, entity.status_name()));
        }
    };
    report("orders", |order| order.status().is_some_and(OrderStatus::is_final));
    report("payments", |payment| payment.status().is_some_and(PaymentStatus::is_final));
    report("timers", |timer| timer.status_name() != "pending");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use common::timestamp::Timestamp;
    use serde_json::json;

    use super::*;

    fn entity(id: &str, status: &str) -> Entity {
        let state = json!({ "status": { "name": status }, "seats": [{ "status": "sold" }, { "status": status }] });
        serde_json::from_value(json!({ "_id": id, "version": 1, "state": state })).unwrap()
    }

    #[test]
    fn only_entities_that_have_not_ended_are_reported() {
        let owned = BTreeMap::from([
            ("tickets", vec![entity("t", "sold"), entity("u", "reserved")]),
            ("orders", vec![entity("o", "completed"), entity("p", "authorized")]),
            ("payments", vec![entity("a", "captured"), entity("b", "authorized")]),
            ("timers", vec![entity("x", "closed"), entity("y", "fired"), entity("z", "pending")]),
        ]);
        let databases = Databases { now: Timestamp::from_millis(0), owned, replicas: Vec::new() };
        let mut violations = Vec::new();
        check(&databases, &mut violations);
        let expected = [
            "18 at-rest: ticket u still has reserved seats",
            "18 at-rest: orders p is still authorized",
            "18 at-rest: payments b is still authorized",
            "18 at-rest: timers z is still pending",
        ];
        assert_eq!(violations, expected);
    }
}
