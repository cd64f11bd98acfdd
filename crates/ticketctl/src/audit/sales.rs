//! Tickets and orders: tickets are sold at most once, and every hold ends.

use std::collections::BTreeMap;
use std::time::Duration;

use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
use common::timestamp::Timestamp;

use super::data::{AuditData, Entity, text};
use super::names::{HELD_ONCE, HOLD_EXPIRY, SOLD_ONCE, TICKET_STATUS};

/// Maximum time between the expiry of an unpaid order and its cancellation.
const EXPIRY_GRACE: Duration = Duration::from_secs(10);
/// The same if more than [`BURST_SIZE`] orders expire in one second.
const EXPIRY_GRACE_BURST: Duration = Duration::from_secs(60);
const BURST_SIZE: usize = 1_000;

/// Appends the violated invariants, each with its number and name in docs/reliability.md.
pub fn check(data: &AuditData, violations: &mut Vec<String>) {
    let mut by_ticket: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
    let expiry = |order: &Entity| text(&order.state["expiresAt"]).parse::<Timestamp>().ok();
    let mut due: BTreeMap<i64, usize> = BTreeMap::new();
    for expires in data.owned("orders").iter().filter_map(expiry) {
        *due.entry(expires.as_seconds()).or_default() += 1;
    }
    let grace = |expires: Timestamp| {
        let is_burst = due.get(&expires.as_seconds()).is_some_and(|count| *count > BURST_SIZE);
        if is_burst { EXPIRY_GRACE_BURST } else { EXPIRY_GRACE }
    };
    for order in data.owned("orders") {
        by_ticket.entry(text(&order.state["ticket"]["id"])).or_default().push(order);
        let expires = expiry(order);
        let unpaid = matches!(order.status(), Some(OrderStatus::Created | OrderStatus::AwaitingPayment));
        if unpaid && expires.is_some_and(|expires| data.now.since(expires) > grace(expires)) {
            violations.push(format!("{HOLD_EXPIRY}: order {} is unpaid and still open after its expiry", order.id));
        }
        // Timestamps are texts of a fixed width, which sort chronologically.
        if order.status() == Some(OrderStatus::Cancelled)
            && text(&order.state["status"]["reason"]) == CancelReason::Expired.as_ref()
            && text(&order.state["updatedAt"]) < text(&order.state["expiresAt"])
        {
            violations.push(format!("{HOLD_EXPIRY}: order {} was cancelled as expired before its expiry", order.id));
        }
    }
    for (ticket, orders) in &by_ticket {
        let is_open = |order: &&&Entity| order.status() != Some(OrderStatus::Cancelled);
        let open: Vec<_> = orders.iter().filter(is_open).map(|order| &order.id).collect();
        if open.len() > 1 {
            violations.push(format!("{HELD_ONCE}: ticket {ticket} has the open orders {open:?}"));
        }
        let completed = orders.iter().filter(|order| order.status() == Some(OrderStatus::Completed)).count();
        if completed > 1 {
            violations.push(format!("{SOLD_ONCE}: ticket {ticket} was sold {completed} times"));
        }
    }
    let orders: BTreeMap<&str, &Entity> = data.owned("orders").iter().map(|order| (order.id.as_str(), order)).collect();
    for ticket in data.owned("tickets") {
        let holder = text(&ticket.state["status"]["orderId"]);
        let holder_status: Option<OrderStatus> = orders.get(holder).and_then(|order| order.status());
        let has_no_reservation =
            |order: &&Entity| matches!(order.status(), Some(OrderStatus::Cancelled | OrderStatus::Created));
        let agrees = match ticket.status() {
            Some(TicketStatus::Reserved) => {
                matches!(holder_status, Some(OrderStatus::AwaitingPayment | OrderStatus::Authorized))
            }
            Some(TicketStatus::Sold) => holder_status == Some(OrderStatus::Completed),
            _ => by_ticket.get(ticket.id.as_str()).is_none_or(|orders| orders.iter().all(has_no_reservation)),
        };
        if !agrees {
            let holder_status = orders.get(holder).map_or("unknown", |order| order.status_name());
            let status = ticket.status_name();
            violations.push(format!(
                "{TICKET_STATUS}: ticket {} is {status} for {holder}, which is {holder_status}",
                ticket.id
            ));
        }
    }
}
