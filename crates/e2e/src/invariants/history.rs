//! Checks the event history across entities: sales, reservations, captures and expiry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::timestamp::Timestamp;
use serde_json::Value;
use ticketctl::audit::entity::text;
use ticketctl::audit::history::price;

use super::fleet_data::FleetData;
use super::names::{HOLD_EXPIRY, SOLD_ONCE, TERMS, TRANSITIONS};

/// Checks that no payment was captured unless it had won its order, even if the charge was refunded later.
fn check_captures(data: &FleetData, violations: &mut Vec<String>) {
    let orders = data.histories("order");
    for (id, states) in data.histories("payment") {
        let is_captured = |state: &&&Value| state["status"] == PaymentStatus::Captured.as_ref();
        let Some(captured) = states.values().find(is_captured) else { continue };
        let order = text(&captured["orderId"]);
        let mut of_order = orders.get(order).into_iter().flat_map(BTreeMap::values);
        if !of_order.any(|state| text(&state["paymentId"]) == id) {
            violations.push(format!("{TRANSITIONS}: payment {id} was captured, although it never won order {order}"));
        }
    }
}

pub(super) fn check(data: &FleetData, violations: &mut Vec<String>) {
    check_captures(data, violations);
    let tickets = data.histories("ticket");
    let mut sales: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, states) in data.histories("order") {
        let ticket = states.values().next().map(|state| text(&state["ticket"]["id"])).unwrap_or_default();
        for state in states.values() {
            match text(&state["status"]).parse() {
                Ok(OrderStatus::AwaitingPayment) => {
                    // The listing at the time when it was reserved for this order.
                    let mut reserved =
                        tickets.get(ticket).into_iter().flat_map(BTreeMap::values).filter(|state| {
                            state["orderId"] == id && state["status"] == TicketStatus::Reserved.as_ref()
                        });
                    if reserved.next().is_none_or(|reserved| price(reserved) != price(state)) {
                        violations.push(format!("{TERMS}: order {id} was confirmed at an outdated price"));
                    }
                }
                Ok(OrderStatus::Completed) => {
                    sales.entry(ticket).or_default().insert(id);
                }
                _ => {}
            }
        }
    }
    for (ticket, orders) in sales.iter().filter(|(_, orders)| orders.len() > 1) {
        violations.push(format!("{SOLD_ONCE}: ticket {ticket} was sold to {orders:?}"));
    }
}

/// Checks that no unpaid hold expired early, or more than `max_delay` late. The timestamps are the stream's, since the
/// clocks of services may be wrong.
pub(super) fn check_expiry_delay(data: &FleetData, max_delay: Duration, violations: &mut Vec<String>) {
    for order in data.databases.owned("orders") {
        if order.state["status"]["reason"] != CancelReason::Expired.as_ref() {
            continue;
        }
        let id = &order.id;
        let expires: Option<Timestamp> = text(&order.state["expiresAt"]).parse().ok();
        let published = |kind: &str| data.published_at.get(&(id.clone(), kind.to_owned())).copied();
        let (created, ended) = (published("order.created.v1"), published("order.cancelled.v1"));
        let (Some(expires), Some(created), Some(ended)) = (expires, created, ended) else {
            violations.push(format!("{HOLD_EXPIRY}: no expiry event was published for order {id}"));
            continue;
        };
        // A hold created by a slow clock may be due before its creation.
        let due = expires.max(created);
        let delay = ended.since(due);
        if delay > max_delay {
            let fired = published("expiration.completed.v1");
            violations.push(format!(
                "{HOLD_EXPIRY}: order {id} ended {delay:?} late: created {created}, due {expires}, timer {fired:?}, \
                 ended {ended}"
            ));
        }
        if ended < expires {
            violations.push(format!("{HOLD_EXPIRY}: order {id} ended {:?} early", expires.since(ended)));
        }
    }
}
