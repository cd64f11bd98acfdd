//! Tickets and orders: sold at most once, and every hold ends.

use std::collections::BTreeMap;
use std::time::Duration;

use common::timestamp::Timestamp;

use super::books::{Books, Entity};

/// How long after its time an unpaid order may stay open.
const LATE: Duration = Duration::from_secs(10);
/// The same where more than [`CROWD`] are due in one second.
const LATE_IN_A_CROWD: Duration = Duration::from_secs(60);
const CROWD: usize = 1_000;

/// Adds what does not hold.
pub fn check(books: &Books, faults: &mut Vec<String>) {
    let mut by_ticket: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
    let expiry = |order: &Entity| text(&order.state["expiresAt"]).parse::<Timestamp>().ok();
    let mut due: BTreeMap<i64, usize> = BTreeMap::new();
    for expires in books.of("orders").iter().filter_map(expiry) {
        *due.entry(expires.as_seconds()).or_default() += 1;
    }
    let late = |expires: Timestamp| {
        let is_crowd = due.get(&expires.as_seconds()).is_some_and(|count| *count > CROWD);
        if is_crowd { LATE_IN_A_CROWD } else { LATE }
    };
    for order in books.of("orders") {
        by_ticket.entry(text(&order.state["ticket"]["id"])).or_default().push(order);
        let expires = expiry(order);
        let unpaid = matches!(order.status(), "created" | "awaitingPayment");
        if unpaid && expires.is_some_and(|expires| books.now.since(expires) > late(expires)) {
            faults.push(format!("6: order {} outlives its time", order.id));
        }
        if order.status() == "cancelled"
            && text(&order.state["status"]["reason"]) == "expired"
            && text(&order.state["updatedAt"]) < text(&order.state["expiresAt"])
        {
            faults.push(format!("6: order {} expired before its time", order.id));
        }
    }
    for (ticket, orders) in &by_ticket {
        let open: Vec<_> = orders.iter().filter(|order| order.status() != "cancelled").map(|order| &order.id).collect();
        if open.len() > 1 {
            faults.push(format!("1: ticket {ticket} has the open orders {open:?}"));
        }
        let completed = orders.iter().filter(|order| order.status() == "completed").count();
        if completed > 1 {
            faults.push(format!("2: ticket {ticket} was sold {completed} times"));
        }
    }
    let orders: BTreeMap<&str, &Entity> = books.of("orders").iter().map(|order| (order.id.as_str(), order)).collect();
    for ticket in books.of("tickets") {
        let holder = text(&ticket.state["status"]["orderId"]);
        let of_holder = orders.get(holder).map_or("unknown", |order| order.status());
        let agrees = match ticket.status() {
            "reserved" => matches!(of_holder, "awaitingPayment" | "authorized"),
            "sold" => of_holder == "completed",
            _ => by_ticket
                .get(ticket.id.as_str())
                .is_none_or(|orders| orders.iter().all(|order| matches!(order.status(), "cancelled" | "created"))),
        };
        if !agrees {
            faults.push(format!("5: ticket {} is {} for {holder}, which is {of_holder}", ticket.id, ticket.status()));
        }
    }
}

/// A text of a document; an empty one where there is none.
pub fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
