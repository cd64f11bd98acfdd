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

use super::fleet_data::{FleetData, subject_and_version};
use super::names::{HOLD_EXPIRY, SOLD_ONCE, TERMS, TICKET_STATUS, TRANSITIONS};

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
    check_seats(data, &tickets, violations);
    check_whole_orders(data, &tickets, violations);
    let mut sales: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for (id, states) in data.histories("order") {
        let ticket = states.values().next().map(|state| text(&state["ticket"]["id"])).unwrap_or_default();
        for state in states.values() {
            match text(&state["status"]).parse() {
                Ok(OrderStatus::AwaitingPayment) => {
                    // The listing at the time when its seats were reserved for this order.
                    let mut listings = tickets.get(ticket).into_iter().flat_map(BTreeMap::values);
                    let reserved = listings.find(|listing| !seats_of(listing, id).is_empty());
                    let agrees = |listing: &Value| {
                        price(&listing["price"]) == price(&state["unitPrice"])
                            && seats_of(listing, id) == seats_in(state)
                    };
                    if reserved.is_none_or(|listing| !agrees(listing)) {
                        violations
                            .push(format!("{TERMS}: order {id} was confirmed at an outdated price or for other seats"));
                    }
                }
                Ok(OrderStatus::Completed) => {
                    for (slot, _) in seats_in(state) {
                        sales.entry((ticket, slot.to_string())).or_default().insert(id);
                    }
                }
                _ => {}
            }
        }
    }
    for ((ticket, slot), orders) in sales.iter().filter(|(_, orders)| orders.len() > 1) {
        violations.push(format!("{SOLD_ONCE}: seat {slot} of ticket {ticket} was sold to {orders:?}"));
    }
}

/// The slots and names of the seats that a listing reserves for an order.
fn seats_of<'a>(listing: &'a Value, order: &str) -> Vec<(Value, &'a Value)> {
    let seats = listing["seats"].as_array().into_iter().flatten().enumerate();
    let is_reserved = |seat: &Value| seat["status"] == TicketStatus::Reserved.as_ref() && seat["orderId"] == order;
    seats.filter(|(_, seat)| is_reserved(seat)).map(|(slot, seat)| (Value::from(slot), &seat["name"])).collect()
}

/// The slots and names of the seats of an order.
fn seats_in(order: &Value) -> Vec<(Value, &Value)> {
    let slots = order["slots"].as_array().into_iter().flatten().cloned();
    slots.zip(order["seats"].as_array().into_iter().flatten()).collect()
}

/// Checks every change of a seat: one that is sold or withdrawn stays so, one that is held stays with its order until
/// that has ended, and a listing that is withdrawn reserves nothing.
fn check_seats(data: &FleetData, tickets: &BTreeMap<&str, BTreeMap<u64, &Value>>, violations: &mut Vec<String>) {
    let is_raised = |event: &&Value| event["raised"] == true;
    let raised: BTreeSet<_> = data.published("ticket").iter().filter(is_raised).map(subject_and_version).collect();
    for (id, states) in tickets {
        for (version, state) in states.iter().filter(|(version, _)| !raised.contains(&(*id, **version))) {
            let Some(before) = version.checked_sub(1).and_then(|before| states.get(&before)) else { continue };
            for (seat, change) in wrong_changes(&before["seats"], &state["seats"]) {
                violations.push(format!("{TRANSITIONS}: seat {seat} of ticket {id} {change} at version {version}"));
            }
        }
    }
}

/// Checks that an order has all of its seats or none in every version of its listing.
fn check_whole_orders(data: &FleetData, tickets: &BTreeMap<&str, BTreeMap<u64, &Value>>, violations: &mut Vec<String>) {
    let orders = data.histories("order");
    for (id, states) in tickets {
        for (version, state) in states {
            let mut slots: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            for (slot, seat) in (0..).zip(state["seats"].as_array().into_iter().flatten()) {
                slots.entry(text(&seat["orderId"])).or_default().push(slot);
            }
            for (order, slots) in slots {
                let Some(named) = orders.get(order).and_then(|states| states.values().next()) else { continue };
                let named = named["slots"].as_array().into_iter().flatten().filter_map(Value::as_u64);
                if !named.eq(slots.iter().copied()) {
                    violations.push(format!(
                        "{TICKET_STATUS}: ticket {id} has the seats {slots:?} for order {order} at version {version}, \
                         which is not all of them"
                    ));
                }
            }
        }
    }
}

/// The seats that changed as no seat may, each with its slot and a description of the change.
fn wrong_changes(before: &Value, after: &Value) -> Vec<(usize, String)> {
    use TicketStatus::{Available, Reserved, Sold, Withdrawn};
    let empty = Vec::new();
    let (before, after) = (before.as_array().unwrap_or(&empty), after.as_array().unwrap_or(&empty));
    let status = |seat: &Value| text(&seat["status"]).parse::<TicketStatus>().ok();
    let are_free = |seats: &[Value]| seats.iter().all(|seat| status(seat) == Some(Available));
    // A seller may list other seats as long as no order has any.
    if before.len() != after.len() && !(are_free(before) && are_free(after)) {
        return vec![(before.len().min(after.len()), "appeared or disappeared".to_owned())];
    }
    let may_follow = |(one, other): (&Value, &Value)| {
        let same_order = one["orderId"] == other["orderId"];
        match (status(one), status(other)) {
            (Some(Available), Some(Available | Reserved | Withdrawn))
            | (Some(Reserved), Some(Available | Withdrawn))
            | (Some(Withdrawn), Some(Withdrawn)) => true,
            (Some(Reserved), Some(Reserved | Sold)) | (Some(Sold), Some(Sold)) => same_order,
            _ => false,
        }
    };
    let pairs = before.iter().zip(after).enumerate().filter(|(_, pair)| !may_follow(*pair));
    let describe = |seat: &Value| format!("{} {}", text(&seat["status"]), text(&seat["orderId"]));
    pairs.map(|(slot, (one, other))| (slot, format!("changed from {} to {}", describe(one), describe(other)))).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seats_change_as_their_orders_do() {
        let seat = |status: &str, order: Option<&str>| json!({ "status": status, "orderId": order });
        let (free, withdrawn) = (seat("available", None), seat("withdrawn", None));
        let (held, sold, other) = (seat("reserved", Some("o")), seat("sold", Some("o")), seat("reserved", Some("p")));
        let changes = |before: &[&Value], after: &[&Value]| {
            wrong_changes(&json!(before), &json!(after)).into_iter().map(|(slot, _)| slot).collect::<Vec<_>>()
        };
        for (before, after) in
            [(&free, &held), (&held, &sold), (&held, &free), (&held, &withdrawn), (&free, &withdrawn)]
        {
            assert_eq!(changes(&[&free, before], &[&free, after]), Vec::<usize>::new(), "{before} {after}");
            assert_eq!(changes(&[before], &[before]), Vec::<usize>::new(), "{before}");
        }
        for (before, after) in
            [(&sold, &free), (&held, &other), (&withdrawn, &free), (&withdrawn, &held), (&free, &sold), (&sold, &other)]
        {
            assert_eq!(changes(&[&free, before], &[&free, after]), [1], "{before} {after}");
        }
        assert_eq!(changes(&[&free], &[&free, &free]), Vec::<usize>::new(), "the seller has changed the seats");
        assert_eq!(changes(&[&held, &free], &[&held]), [1]);
    }
}
