//! The recorded history: what each entity went through, as its events tell.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::timestamp::Timestamp;
use serde_json::Value;
use ticketctl::audit::sales::text;

use super::read::World;

/// The statuses that a listing may have next.
fn after_ticket(before: Option<TicketStatus>) -> &'static [TicketStatus] {
    use TicketStatus::{Available, Reserved, Sold, Withdrawn};
    match before {
        None => &[Available],
        Some(Available) => &[Available, Reserved, Withdrawn],
        // A refusal, or the end of one, is told in any state.
        Some(Reserved) => &[Reserved, Available, Sold],
        Some(Sold) => &[Sold],
        Some(Withdrawn) => &[Withdrawn],
    }
}

/// The statuses that an order may have next.
fn after_order(before: Option<OrderStatus>) -> &'static [OrderStatus] {
    use OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
    match before {
        None => &[Created],
        Some(Created) => &[AwaitingPayment, Cancelled],
        Some(AwaitingPayment) => &[Authorized, Cancelled],
        Some(Authorized) => &[Completed, Cancelled],
        Some(Completed | Cancelled) => &[],
    }
}

/// The statuses that a payment may have next.
fn after_payment(before: Option<PaymentStatus>) -> &'static [PaymentStatus] {
    use PaymentStatus::{Authorized, Authorizing, Captured, Declined, Failed, RequiresAction, Voided};
    match before {
        None => &[Authorizing],
        // An answer that is late, and a capture that failed, are told in the state that they are late in.
        Some(Authorizing) => &[Authorizing, RequiresAction, Authorized, Declined, Voided],
        Some(RequiresAction) => &[Authorized, Declined, Voided],
        Some(Authorized) => &[Authorized, Captured, Declined, Failed, Voided],
        // What was given back or is disputed is told of a charge that stays one.
        Some(Captured) => &[Captured],
        Some(Declined | Failed | Voided) => &[],
    }
}

/// Adds the transitions between statuses that are not allowed.
fn moves<S: FromStr + AsRef<str> + 'static>(
    world: &World,
    entity: &str,
    after: fn(Option<S>) -> &'static [S],
    faults: &mut Vec<String>,
) {
    for (id, states) in histories(world, entity) {
        let mut before = "";
        for state in states.values() {
            let status = text(&state["status"]);
            if !after(before.parse().ok()).iter().any(|next| next.as_ref() == status) {
                faults.push(format!("11: {entity} {id} went from {before} to {status}"));
            }
            before = status;
        }
    }
}

pub(super) fn check(world: &World, faults: &mut Vec<String>) {
    moves(world, "ticket", after_ticket, faults);
    moves(world, "order", after_order, faults);
    moves(world, "payment", after_payment, faults);
    let tickets = histories(world, "ticket");
    let mut sales: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, states) in histories(world, "order") {
        let ticket = states.values().next().map(|state| text(&state["ticket"]["id"])).unwrap_or_default();
        let mut terms = None;
        for state in states.values() {
            if terms.replace((&state["price"], &state["ticket"])).is_some_and(|earlier| Some(earlier) != terms) {
                faults.push(format!("13: the terms of order {id} changed"));
            }
            match text(&state["status"]).parse() {
                Ok(OrderStatus::AwaitingPayment) => {
                    // What the listing said when it was held for this order.
                    let held = tickets.get(ticket).into_iter().flat_map(BTreeMap::values);
                    let is_held = |state: &&&Value| state["status"] == TicketStatus::Reserved.as_ref();
                    let mut held = held.filter(|state| state["orderId"] == id).filter(is_held);
                    if held.next().is_none_or(|held| held["price"] != state["price"]) {
                        faults.push(format!("13: order {id} was confirmed at a price that had been replaced"));
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
        faults.push(format!("2: ticket {ticket} was sold to {orders:?}"));
    }
}

/// Every unpaid hold ended in its time by the stream's clock, whatever the services' clocks said: at
/// most so much later than it should.
pub(super) fn punctual(world: &World, late: Duration, faults: &mut Vec<String>) {
    for order in world.of("orders") {
        if order.state["status"]["reason"] != CancelReason::Expired.as_ref() {
            continue;
        }
        let expires: Option<Timestamp> = text(&order.state["expiresAt"]).parse().ok();
        let told = |kind: &str| world.told_at.get(&(order.id.clone(), kind.to_owned())).copied();
        let (began, ended) = (told("order.created.v1"), told("order.cancelled.v1"));
        let (Some(expires), Some(began), Some(ended)) = (expires, began, ended) else {
            faults.push(format!("6: nobody was told that order {} expired", order.id));
            continue;
        };
        // One that was made by a clock which is behind may be over before it begins.
        let due = expires.max(began);
        if ended.since(due) > late {
            let fired = told("expiration.completed.v1");
            faults.push(format!(
                "6: order {} ended {:?} late: created {began}, due {expires}, timer {fired:?}, ended {ended}",
                order.id,
                ended.since(due)
            ));
        }
        if ended < expires {
            faults.push(format!("6: order {} ended {:?} early", order.id, expires.since(ended)));
        }
    }
}

/// By entity and version: the state that was told.
fn histories<'a>(world: &'a World, entity: &str) -> BTreeMap<&'a str, BTreeMap<u64, &'a Value>> {
    let mut histories: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
    for event in world.events.get(entity).map(Vec::as_slice).unwrap_or_default() {
        let version = event["entityversion"].as_u64().unwrap_or(u64::MAX);
        histories.entry(text(&event["subject"])).or_default().insert(version, &event["data"]);
    }
    histories
}
