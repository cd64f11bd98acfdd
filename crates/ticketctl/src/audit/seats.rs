//! Listings and their open orders: a seat is in at most one of them and is sold at most once, an order has all of its
//! seats or none, and the status of a seat agrees with its order.

use std::collections::{BTreeMap, BTreeSet};

use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use common::seats::{Blocks, Slot};
use serde::Deserialize as _;
use serde_json::json;

use super::entity::{Entity, text};
use super::finding::Finding;
use super::names::{HELD_ONCE, SOLD_ONCE, TERMS, TICKET_STATUS};
use super::remedy::Remedy;

/// A seat of a stored listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSeat<'a> {
    /// The place in the listing.
    pub slot: Slot,
    /// The status; `None` if it is unknown.
    pub status: Option<TicketStatus>,
    /// The id of the order that holds or bought the seat; empty if there is none.
    pub order: &'a str,
}

/// The seats of a stored listing, by slot.
pub fn seats(ticket: &Entity) -> impl Iterator<Item = StoredSeat<'_>> {
    let seats = (0..=Slot::MAX).zip(ticket.state["seats"].as_array().into_iter().flatten());
    seats.map(|(slot, seat)| StoredSeat {
        slot,
        status: text(&seat["status"]).parse().ok(),
        order: text(&seat["orderId"]),
    })
}

/// The slots of a stored order; none if they are malformed.
fn slots(order: &Entity) -> Vec<Slot> {
    Vec::deserialize(&order.state["slots"]).unwrap_or_default()
}

/// Checks a ticket against its open orders: all orders of it that are not cancelled.
pub fn check_ticket(id: &str, ticket: Option<&Entity>, orders: &[&Entity], found: &mut Vec<Finding>) {
    let sharing = check_sharing(id, orders, found);
    for order in orders {
        check_order(id, order, found);
    }
    let Some(ticket) = ticket else {
        for order in orders.iter().filter(|order| needs_seats(order)) {
            let text = format!("order {} is {} for ticket {id}, which does not exist", order.id, order.status_name());
            let finding = Finding::new(TICKET_STATUS, "orders", [order.id.as_str(), id], text);
            found.push(finding.repaired_by([Remedy::raise("tickets", id)]));
        }
        return;
    };
    check_listing_status(id, ticket, found);
    check_offer(id, ticket, found);
    check_seats(id, ticket, orders, found);
    // Orders that share seats were reported already, and at most one of them can have these seats.
    for order in orders.iter().filter(|order| needs_seats(order) && !sharing.contains(order.id.as_str())) {
        let has = |slot: &Slot| {
            let is_taken =
                |seat: StoredSeat<'_>| matches!(seat.status, Some(TicketStatus::Reserved | TicketStatus::Sold));
            seats(ticket).any(|seat| seat.slot == *slot && seat.order == order.id && is_taken(seat))
        };
        let missing: Vec<_> = slots(order).into_iter().filter(|slot| !has(slot)).collect();
        if !missing.is_empty() {
            let status = order.status_name();
            let text =
                format!("order {} is {status}, but does not have the seats {missing:?} of ticket {id}", order.id);
            let finding = Finding::new(TICKET_STATUS, "tickets", [id, order.id.as_str()], text);
            found.push(finding.repaired_by([Remedy::raise("tickets", id)]));
        }
    }
}

/// Checks that each seat is in at most one open order, and in at most one completed one. Returns the orders that share
/// a seat with another one.
fn check_sharing<'a>(id: &str, orders: &[&'a Entity], found: &mut Vec<Finding>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    for (sharing, slots) in shared_slots(orders) {
        let text = format!("the open orders {} share the seats {slots:?} of ticket {id}", sharing.join(", "));
        found.push(Finding::new(HELD_ONCE, "orders", std::iter::once(id).chain(sharing.iter().copied()), text));
        all.extend(sharing);
    }
    let is_completed = |order: &&Entity| order.status() == Some(OrderStatus::Completed);
    let completed: Vec<_> = orders.iter().copied().filter(is_completed).collect();
    for (sharing, slots) in shared_slots(&completed) {
        let text = format!("the seats {slots:?} of ticket {id} were sold {} times", sharing.len());
        found.push(Finding::new(SOLD_ONCE, "orders", std::iter::once(id).chain(sharing), text));
    }
    all
}

/// The slots that several of these orders name, by the ids of these orders.
fn shared_slots<'a>(orders: &[&'a Entity]) -> BTreeMap<Vec<&'a str>, Vec<Slot>> {
    let mut orders_of: BTreeMap<Slot, Vec<&str>> = BTreeMap::new();
    for order in orders {
        for slot in BTreeSet::from_iter(slots(order)) {
            orders_of.entry(slot).or_default().push(&order.id);
        }
    }
    let mut shared: BTreeMap<Vec<&str>, Vec<Slot>> = BTreeMap::new();
    for (slot, orders) in orders_of.into_iter().filter(|(_, orders)| orders.len() > 1) {
        shared.entry(orders).or_default().push(slot);
    }
    shared
}

/// Checks that an order takes consecutive whole blocks of its listing, and that its price is the price of a seat times
/// the number of seats.
fn check_order(id: &str, order: &Entity, found: &mut Vec<Finding>) {
    let (slots, order_id) = (slots(order), order.id.as_str());
    let runs = Blocks::deserialize(&order.state["ticket"]["blocks"]).map(|blocks| blocks.runs(slots.len(), |_| true));
    if !runs.is_ok_and(|runs| runs.contains(&slots)) {
        let text = format!("order {order_id} has the seats {slots:?} of ticket {id}, which are not whole blocks of it");
        found.push(Finding::new(HELD_ONCE, "orders", [id, order_id], text));
    }
    let amount = |price: &str| order.state[price]["amount"].as_i64();
    let count = i64::try_from(slots.len()).ok();
    let total = amount("unitPrice").zip(count).and_then(|(price, count)| price.checked_mul(count));
    if total.is_none() || total != amount("price") {
        let text = format!("the price of order {order_id} is not that of its seats together");
        found.push(Finding::new(TERMS, "orders", [order_id], text));
    }
}

/// Checks that the status of a listing follows from those of its seats.
fn check_listing_status(id: &str, ticket: &Entity, found: &mut Vec<Finding>) {
    use TicketStatus::{Available, Reserved, Sold, Withdrawn};
    let has = |status: TicketStatus| seats(ticket).any(|seat| seat.status == Some(status));
    let expected = match (has(Withdrawn), has(Available), has(Reserved), has(Sold)) {
        (true, true, ..) | (false, false, false, false) => None,
        (true, false, ..) => Some(Withdrawn),
        (false, true, ..) => Some(Available),
        (false, false, true, _) => Some(Reserved),
        (false, false, false, true) => Some(Sold),
    };
    if expected.is_none() || expected != ticket.status() {
        let seats = ticket.state["seats"].as_array().into_iter().flatten();
        let statuses: Vec<_> = seats.map(|seat| text(&seat["status"])).collect();
        let text = format!("ticket {id} is {}, but its seats are [{}]", ticket.status_name(), statuses.join(", "));
        found.push(Finding::new(TICKET_STATUS, "tickets", [id], text));
    }
}

/// Checks the fields of a listing that queries read and that follow from its blocks and seats: the number of free
/// seats, and the numbers of seats that can be ordered together.
fn check_offer(id: &str, ticket: &Entity, found: &mut Vec<Finding>) {
    let free: Vec<Slot> =
        seats(ticket).filter(|seat| seat.status == Some(TicketStatus::Available)).map(|seat| seat.slot).collect();
    let blocks = Blocks::deserialize(&ticket.state["listing"]["blocks"]).ok();
    let blocks = blocks.filter(|blocks| blocks.seats() == seats(ticket).count());
    let (stored, stored_quantities) = (&ticket.state["status"]["free"], &ticket.state["status"]["quantities"]);
    let text = match blocks.map(|blocks| blocks.quantities(|slot| free.contains(&slot))) {
        None => format!("the blocks of ticket {id} do not divide its seats"),
        Some(quantities) if *stored == json!(free.len()) && *stored_quantities == json!(quantities) => return,
        Some(_) => format!(
            "ticket {id} offers {stored} seats in the quantities {stored_quantities}, but the seats {free:?} are free"
        ),
    };
    found.push(Finding::new(TICKET_STATUS, "tickets", [id], text));
}

/// Checks that each order that seats are reserved for or sold to is open, names these seats, and has a status that
/// agrees with theirs.
fn check_seats(id: &str, ticket: &Entity, orders: &[&Entity], found: &mut Vec<Finding>) {
    // The slots by order, and by whether they are sold.
    let mut held: BTreeMap<(&str, bool), Vec<Slot>> = BTreeMap::new();
    for StoredSeat { slot, status, order } in seats(ticket) {
        if let Some(status @ (TicketStatus::Reserved | TicketStatus::Sold)) = status {
            held.entry((order, status == TicketStatus::Sold)).or_default().push(slot);
        }
    }
    for ((order_id, are_sold), held) in held {
        let order = orders.iter().find(|order| order.id == order_id);
        let agrees = match order.and_then(|order| order.status()) {
            Some(OrderStatus::AwaitingPayment | OrderStatus::Authorized) => !are_sold,
            Some(OrderStatus::Completed) => are_sold,
            _ => false,
        };
        let named = order.map(|order| slots(order)).unwrap_or_default();
        let names_all = held.iter().all(|slot| named.contains(slot));
        if agrees && names_all {
            continue;
        }
        let order_status = match order {
            Some(order) if names_all => order.status_name(),
            _ => "not an open order for them",
        };
        let status = if are_sold { "sold" } else { "reserved" };
        let text =
            format!("the seats {held:?} of ticket {id} are {status} for order {order_id}, which is {order_status}");
        let mut remedies = vec![
            Remedy::raise("orders", order_id),
            Remedy::raise("tickets", id),
            Remedy::resync("orders", order_id),
            Remedy::resync("tickets", id),
        ];
        if !are_sold && order.is_none() {
            remedies.push(Remedy::release(id, order_id));
        }
        found.push(Finding::new(TICKET_STATUS, "tickets", [id, order_id], text).repaired_by(remedies));
    }
}

/// Whether seats must be reserved for the order, or sold to it.
fn needs_seats(order: &Entity) -> bool {
    !matches!(order.status(), Some(OrderStatus::Cancelled | OrderStatus::Created))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::audit::fixtures::entity;

    /// An order of these seats of a listing of two single seats and a pair, at 50 each.
    fn order(id: &str, status: &str, slots: &[Slot]) -> Entity {
        let price = 50 * slots.len();
        let ticket = json!({ "id": "t", "blocks": [1, 1, 2] });
        let (price, unit_price) = (json!({ "amount": price }), json!({ "amount": 50 }));
        let status = json!({ "name": status });
        entity(
            id,
            json!({ "ticket": ticket, "status": status, "slots": slots, "price": price, "unitPrice": unit_price }),
        )
    }

    /// A listing with this status and these single seats, each with its status and its order.
    fn ticket(status: &str, seats: &[(&str, Option<&str>)]) -> Entity {
        let blocks = Blocks::try_from(vec![1; seats.len()]).unwrap();
        let is_free = |slot: Slot| seats[usize::from(slot)].0 == "available";
        let free = blocks.slots().into_iter().filter(|slot| is_free(*slot)).count();
        let status = json!({ "name": status, "free": free, "quantities": blocks.quantities(is_free) });
        let seats: Vec<_> = seats.iter().map(|(status, order)| json!({ "status": status, "orderId": order })).collect();
        entity("t", json!({ "status": status, "seats": seats, "listing": { "blocks": blocks } }))
    }

    fn findings(ticket: Option<&Entity>, orders: &[Entity]) -> Vec<Finding> {
        let mut found = Vec::new();
        check_ticket("t", ticket, &orders.iter().collect::<Vec<_>>(), &mut found);
        found
    }

    fn found(ticket: Option<&Entity>, orders: &[Entity]) -> Vec<String> {
        let found = findings(ticket, orders);
        found.iter().map(|finding| format!("{}: {}", finding.ids.join(" "), finding.text)).collect()
    }

    const FREE: (&str, Option<&str>) = ("available", None);
    const WITHDRAWN: (&str, Option<&str>) = ("withdrawn", None);
    const HELD: (&str, Option<&str>) = ("reserved", Some("o"));
    const SOLD: (&str, Option<&str>) = ("sold", Some("p"));

    #[test]
    fn seats_agree_with_their_orders() {
        let completed = order("p", "completed", &[2, 3]);
        for (ticket, orders) in [
            (ticket("available", &[FREE]), vec![]),
            (ticket("available", &[FREE]), vec![order("o", "created", &[0])]),
            (ticket("reserved", &[HELD]), vec![order("o", "awaitingPayment", &[0])]),
            (ticket("reserved", &[HELD, HELD]), vec![order("o", "authorized", &[0, 1])]),
            (ticket("available", &[FREE, HELD, SOLD, SOLD]), vec![order("o", "authorized", &[1]), completed.clone()]),
            (ticket("reserved", &[HELD, HELD, SOLD, SOLD]), vec![order("o", "authorized", &[0, 1]), completed.clone()]),
            (ticket("withdrawn", &[WITHDRAWN, HELD]), vec![order("o", "awaitingPayment", &[1])]),
            (ticket("withdrawn", &[WITHDRAWN, WITHDRAWN, SOLD, SOLD]), vec![completed]),
        ] {
            assert_eq!(found(Some(&ticket), &orders), Vec::<String>::new(), "{ticket:?}");
        }
        let waiting = [order("o", "created", &[0])];
        assert_eq!(found(None, &waiting), Vec::<String>::new(), "the ticket's event may be late");
    }

    #[test]
    fn each_disagreement_is_one_finding() {
        let both = |first, second| Some(ticket("reserved", &[first, second]));
        let table = [
            (
                both(HELD, HELD),
                vec![],
                "t o: the seats [0, 1] of ticket t are reserved for order o, which is not an open order for them",
            ),
            (
                both(HELD, HELD),
                vec![order("o", "completed", &[0, 1])],
                "t o: the seats [0, 1] of ticket t are reserved for order o, which is completed",
            ),
            (
                both(HELD, HELD),
                vec![order("o", "awaitingPayment", &[0])],
                "t o: the seats [0, 1] of ticket t are reserved for order o, which is not an open order for them",
            ),
            (
                Some(ticket("available", &[FREE, HELD])),
                vec![order("o", "awaitingPayment", &[0, 1])],
                "t o: order o is awaitingPayment, but does not have the seats [0] of ticket t",
            ),
            (
                Some(ticket("available", &[FREE, HELD])),
                vec![order("o", "awaitingPayment", &[1]), order("p", "completed", &[0])],
                "t p: order p is completed, but does not have the seats [0] of ticket t",
            ),
            (
                Some(ticket("available", &[("available", Some("o"))])),
                vec![order("o", "authorized", &[0])],
                "t o: order o is authorized, but does not have the seats [0] of ticket t",
            ),
            (
                Some(ticket("sold", &[("sold", Some("o"))])),
                vec![order("o", "authorized", &[0])],
                "t o: the seats [0] of ticket t are sold for order o, which is authorized",
            ),
            (
                None,
                vec![order("p", "authorized", &[0])],
                "p t: order p is authorized for ticket t, which does not exist",
            ),
        ];
        for (ticket, orders, expected) in table {
            assert_eq!(found(ticket.as_ref(), &orders), [expected]);
        }
    }

    #[test]
    fn seat_is_in_one_open_order() {
        let sold = ticket("available", &[("sold", Some("o")), FREE]);
        let shared = found(Some(&sold), &[order("o", "completed", &[0]), order("p", "created", &[0, 1])]);
        assert_eq!(shared, ["t o p: the open orders o, p share the seats [0] of ticket t"]);
        let twice = found(Some(&sold), &[order("o", "completed", &[0]), order("p", "completed", &[0])]);
        assert_eq!(
            twice,
            [
                "t o p: the open orders o, p share the seats [0] of ticket t",
                "t o p: the seats [0] of ticket t were sold 2 times",
            ]
        );
    }

    #[test]
    fn order_takes_whole_blocks_at_the_price_of_each_seat() {
        let check = |order: Entity| found(Some(&ticket("available", &[FREE])), &[order]);
        for slots in [&[0][..], &[1], &[0, 1], &[2, 3], &[1, 2, 3], &[0, 1, 2, 3]] {
            assert_eq!(check(order("o", "created", slots)), Vec::<String>::new(), "{slots:?}");
        }
        for slots in [&[2][..], &[1, 2], &[0, 2, 3], &[1, 0], &[4], &[]] {
            let expected =
                format!("t o: order o has the seats {slots:?} of ticket t, which are not whole blocks of it");
            assert_eq!(check(order("o", "created", slots)), [expected]);
        }
        let mut cheap = order("o", "created", &[0, 1]);
        cheap.state["price"]["amount"] = json!(99);
        assert_eq!(check(cheap), ["o: the price of order o is not that of its seats together"]);
        let mut malformed = order("o", "created", &[0]);
        malformed.state["slots"] = Value::Null;
        assert_eq!(check(malformed).len(), 2);
    }

    #[test]
    fn offer_follows_from_blocks_and_seats() {
        let (base, orders) = (ticket("available", &[FREE, FREE, SOLD, SOLD]), [order("p", "completed", &[2, 3])]);
        let wrong = |field: &str, value: Value| {
            let mut ticket = base.clone();
            *ticket.state.pointer_mut(field).unwrap() = value;
            found(Some(&ticket), &orders)
        };
        let offers = |offer: &str| [format!("t: ticket t offers {offer}, but the seats [0, 1] are free")];
        assert_eq!(wrong("/status/free", json!(1)), offers("1 seats in the quantities [1,2]"));
        assert_eq!(wrong("/status/quantities", json!([1])), offers("2 seats in the quantities [1]"));
        assert_eq!(wrong("/listing/blocks", json!([2, 2])), offers("2 seats in the quantities [1,2]"));
        for blocks in [json!([1, 2]), json!([4, 0]), Value::Null] {
            assert_eq!(wrong("/listing/blocks", blocks), ["t: the blocks of ticket t do not divide its seats"]);
        }
    }

    #[test]
    fn status_of_a_listing_follows_from_its_seats() {
        let orders = [order("o", "authorized", &[0]), order("p", "completed", &[1])];
        for (status, seats) in [
            ("available", &[HELD, SOLD][..]),
            ("sold", &[HELD, SOLD][..]),
            ("reserved", &[HELD, SOLD, FREE][..]),
            ("available", &[HELD, SOLD, WITHDRAWN][..]),
            ("withdrawn", &[HELD, SOLD, FREE, WITHDRAWN][..]),
            ("withdrawn", &[HELD, SOLD][..]),
        ] {
            let names: Vec<_> = seats.iter().map(|(status, _)| *status).collect();
            let expected = format!("t: ticket t is {status}, but its seats are [{}]", names.join(", "));
            assert_eq!(found(Some(&ticket(status, seats)), &orders), [expected]);
        }
        let empty = entity("t", json!({ "status": { "name": "available" }, "seats": [] }));
        assert_eq!(found(Some(&empty), &[])[0], "t: ticket t is available, but its seats are []");
    }

    #[test]
    fn seats_are_released_only_if_no_open_order_holds_them() {
        let releases = |seat: &str, orders: &[Entity]| {
            let found = findings(Some(&ticket(seat, &[(seat, Some("o"))])), orders);
            found.iter().flat_map(|finding| &finding.remedies).any(|remedy| *remedy == Remedy::release("t", "o"))
        };
        assert!(releases("reserved", &[]));
        assert!(!releases("reserved", &[order("o", "completed", &[0])]), "it has to be sold");
        assert!(!releases("sold", &[]), "a sale is final");
    }
}
