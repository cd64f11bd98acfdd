//! Tickets and orders: sold at most once, and every hold ends.

use std::collections::BTreeMap;
use std::time::Duration;

use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
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
        let unpaid = matches!(order.status(), Some(OrderStatus::Created | OrderStatus::AwaitingPayment));
        if unpaid && expires.is_some_and(|expires| books.now.since(expires) > late(expires)) {
            faults.push(format!("6: order {} outlives its time", order.id));
        }
        if order.status() == Some(OrderStatus::Cancelled)
            && text(&order.state["status"]["reason"]) == CancelReason::Expired.as_ref()
            && text(&order.state["updatedAt"]) < text(&order.state["expiresAt"])
        {
            faults.push(format!("6: order {} expired before its time", order.id));
        }
    }
    for (ticket, orders) in &by_ticket {
        let is_open = |order: &&&Entity| order.status() != Some(OrderStatus::Cancelled);
        let open: Vec<_> = orders.iter().filter(is_open).map(|order| &order.id).collect();
        if open.len() > 1 {
            faults.push(format!("1: ticket {ticket} has the open orders {open:?}"));
        }
        let completed = orders.iter().filter(|order| order.status() == Some(OrderStatus::Completed)).count();
        if completed > 1 {
            faults.push(format!("2: ticket {ticket} was sold {completed} times"));
        }
    }
    let orders: BTreeMap<&str, &Entity> = books.of("orders").iter().map(|order| (order.id.as_str(), order)).collect();
    for ticket in books.of("tickets") {
        let holder = text(&ticket.state["status"]["orderId"]);
        let of_holder: Option<OrderStatus> = orders.get(holder).and_then(|order| order.status());
        let holds_nothing =
            |order: &&Entity| matches!(order.status(), Some(OrderStatus::Cancelled | OrderStatus::Created));
        let agrees = match ticket.status() {
            Some(TicketStatus::Reserved) => {
                matches!(of_holder, Some(OrderStatus::AwaitingPayment | OrderStatus::Authorized))
            }
            Some(TicketStatus::Sold) => of_holder == Some(OrderStatus::Completed),
            _ => by_ticket.get(ticket.id.as_str()).is_none_or(|orders| orders.iter().all(holds_nothing)),
        };
        if !agrees {
            let of_holder = orders.get(holder).map_or("unknown", |order| order.status_name());
            let status = ticket.status_name();
            faults.push(format!("5: ticket {} is {status} for {holder}, which is {of_holder}", ticket.id));
        }
    }
}

/// A text of a document; an empty one where there is none.
pub fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
