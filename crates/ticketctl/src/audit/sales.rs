//! Tickets and orders: tickets are sold at most once, and every hold ends.

use std::time::Duration;

use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
use common::timestamp::Timestamp;

use super::entity::{Entity, text};
use super::finding::Finding;
use super::names::{HELD_ONCE, HOLD_EXPIRY, SOLD_ONCE, TICKET_STATUS};
use super::remedy::Remedy;

/// Maximum time between the expiry of an unpaid order and its cancellation.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(10);
/// The maximum if more than a thousand orders expire in one second.
pub const EXPIRY_GRACE_BURST: Duration = Duration::from_secs(60);

/// Checks a ticket against its open orders: all orders of it that are not cancelled.
pub fn check_ticket(id: &str, ticket: Option<&Entity>, orders: &[&Entity], found: &mut Vec<Finding>) {
    let ids = |orders: &[&Entity]| orders.iter().map(|order| order.id.clone()).collect::<Vec<_>>();
    let with_ticket = |orders: Vec<String>| std::iter::once(id.to_owned()).chain(orders);
    if orders.len() > 1 {
        let open = ids(orders);
        let text = format!("ticket {id} has the open orders {}", open.join(", "));
        found.push(Finding::new(HELD_ONCE, "orders", with_ticket(open), text));
    }
    let is_completed = |order: &&&Entity| order.status() == Some(OrderStatus::Completed);
    let completed = ids(&orders.iter().filter(is_completed).copied().collect::<Vec<_>>());
    if completed.len() > 1 {
        let text = format!("ticket {id} was sold {} times", completed.len());
        found.push(Finding::new(SOLD_ONCE, "orders", with_ticket(completed), text));
    }
    let Some(ticket) = ticket else {
        for order in orders.iter().filter(|order| is_reserving(order)) {
            let text = format!("order {} is {} for ticket {id}, which does not exist", order.id, order.status_name());
            let finding = Finding::new(TICKET_STATUS, "orders", [order.id.as_str(), id], text);
            found.push(finding.repaired_by([Remedy::raise("tickets", id)]));
        }
        return;
    };
    let holder = text(&ticket.state["status"]["orderId"]);
    let holding = orders.iter().find(|order| order.id == holder);
    let holder_status: Option<OrderStatus> = holding.and_then(|order| order.status());
    let agrees = match ticket.status() {
        Some(TicketStatus::Reserved) => {
            matches!(holder_status, Some(OrderStatus::AwaitingPayment | OrderStatus::Authorized))
        }
        Some(TicketStatus::Sold) => holder_status == Some(OrderStatus::Completed),
        _ => !orders.iter().any(|order| is_reserving(order)),
    };
    if agrees {
        return;
    }
    let status = ticket.status_name();
    if holder.is_empty() {
        let reserving: Vec<_> = orders.iter().filter(|order| is_reserving(order)).copied().collect();
        let reserving = ids(&reserving);
        let text = format!("ticket {id} is {status}, but reserved by {}", reserving.join(", "));
        let finding = Finding::new(TICKET_STATUS, "tickets", with_ticket(reserving), text);
        found.push(finding.repaired_by([Remedy::raise("tickets", id)]));
    } else {
        let holder_status = holding.map_or("not an open order for it", |order| order.status_name());
        let text = format!("ticket {id} is {status} for order {holder}, which is {holder_status}");
        let mut remedies = vec![
            Remedy::raise("orders", holder),
            Remedy::raise("tickets", id),
            Remedy::resync("orders", holder),
            Remedy::resync("tickets", id),
        ];
        if ticket.status() == Some(TicketStatus::Reserved) && holding.is_none() {
            remedies.push(Remedy::release(id));
        }
        found.push(Finding::new(TICKET_STATUS, "tickets", [id, holder], text).repaired_by(remedies));
    }
}

/// Whether a ticket must be reserved for the order, or sold to it.
fn is_reserving(order: &Entity) -> bool {
    !matches!(order.status(), Some(OrderStatus::Cancelled | OrderStatus::Created))
}

/// When the hold of an order ends.
pub fn expiry(order: &Entity) -> Option<Timestamp> {
    text(&order.state["expiresAt"]).parse().ok()
}

/// Checks that an unpaid order ends at its expiry: not before it, and at most `grace` after it.
pub fn check_hold(order: &Entity, now: Timestamp, grace: Duration, found: &mut Vec<Finding>) {
    let id = order.id.as_str();
    let is_unpaid = matches!(order.status(), Some(OrderStatus::Created | OrderStatus::AwaitingPayment));
    if is_unpaid && expiry(order).is_some_and(|expires| now.since(expires) > grace) {
        let text = format!("order {id} is unpaid and still open after its expiry");
        // In response to the snapshot of the order, `expiration` stores the timer if it is missing, opens it again if
        // it is closed, or publishes again that it has fired.
        found.push(Finding::new(HOLD_EXPIRY, "orders", [id], text).repaired_by([Remedy::resync("orders", id)]));
    }
    if order.status() == Some(OrderStatus::Cancelled)
        && text(&order.state["status"]["reason"]) == CancelReason::Expired.as_ref()
        && text(&order.state["updatedAt"]) < text(&order.state["expiresAt"])
    {
        let text = format!("order {id} was cancelled as expired before its expiry");
        found.push(Finding::new(HOLD_EXPIRY, "orders", [id], text));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::fixtures::entity;

    fn order(id: &str, status: &str) -> Entity {
        entity(id, json!({ "ticket": { "id": "t" }, "status": { "name": status } }))
    }

    fn found(ticket: Option<serde_json::Value>, orders: &[Entity]) -> Vec<String> {
        let ticket = ticket.map(|status| entity("t", json!({ "status": status })));
        let mut found = Vec::new();
        check_ticket("t", ticket.as_ref(), &orders.iter().collect::<Vec<_>>(), &mut found);
        found.iter().map(|finding| format!("{}: {}", finding.ids.join(" "), finding.text)).collect()
    }

    #[test]
    fn ticket_agrees_with_its_order() {
        let available = json!({ "name": "available" });
        let of = |status: &str| json!({ "name": status, "orderId": "o" });
        for (ticket, orders) in [
            (available.clone(), vec![]),
            (available.clone(), vec![order("o", "created")]),
            (of("reserved"), vec![order("o", "awaitingPayment")]),
            (of("reserved"), vec![order("o", "authorized")]),
            (of("sold"), vec![order("o", "completed")]),
            (json!({ "name": "withdrawn" }), vec![]),
        ] {
            assert_eq!(found(Some(ticket.clone()), &orders), Vec::<String>::new(), "{ticket}");
        }
        assert_eq!(found(None, &[order("o", "created")]), Vec::<String>::new(), "the ticket's event may be late");
    }

    #[test]
    fn each_disagreement_is_one_finding() {
        let of = |status: &str| Some(json!({ "name": status, "orderId": "o" }));
        let (reserved, sold, available) = (of("reserved"), of("sold"), Some(json!({ "name": "available" })));
        let table = [
            (reserved.clone(), vec![], "t o: ticket t is reserved for order o, which is not an open order for it"),
            (reserved, vec![order("o", "completed")], "t o: ticket t is reserved for order o, which is completed"),
            (sold.clone(), vec![order("o", "authorized")], "t o: ticket t is sold for order o, which is authorized"),
            (available, vec![order("p", "completed")], "t p: ticket t is available, but reserved by p"),
            (None, vec![order("p", "authorized")], "p t: order p is authorized for ticket t, which does not exist"),
            (sold, vec![order("o", "completed"), order("p", "created")], "t o p: ticket t has the open orders o, p"),
        ];
        for (ticket, orders, expected) in table {
            assert_eq!(found(ticket, &orders), [expected]);
        }
        let twice = found(of("sold"), &[order("o", "completed"), order("p", "completed")]);
        assert_eq!(twice.len(), 2);
        assert_eq!(twice[1], "t o p: ticket t was sold 2 times");
    }

    #[test]
    fn listing_is_released_only_if_no_open_order_holds_it() {
        let releases = |status: &str, orders: &[Entity]| {
            let ticket = entity("t", json!({ "status": { "name": status, "orderId": "o" } }));
            let mut found = Vec::new();
            check_ticket("t", Some(&ticket), &orders.iter().collect::<Vec<_>>(), &mut found);
            found.iter().flat_map(|finding| &finding.remedies).any(|remedy| *remedy == Remedy::release("t"))
        };
        assert!(releases("reserved", &[]));
        assert!(!releases("reserved", &[order("o", "completed")]), "it has to be sold");
        assert!(!releases("sold", &[]), "a sale is final");
    }

    #[test]
    fn hold_ends_at_its_expiry() {
        let expires = Timestamp::from_millis(100_000);
        let at = |seconds: u64| expires.plus(Duration::from_secs(seconds));
        let hold = |status: &str, updated: Timestamp| {
            let status = json!({ "name": status, "reason": (status == "cancelled").then_some("expired") });
            let times = (expires.to_string(), updated.to_string());
            entity("o", json!({ "status": status, "expiresAt": times.0, "updatedAt": times.1 }))
        };
        let found = |order: Entity, now| {
            let mut found = Vec::new();
            check_hold(&order, now, EXPIRY_GRACE, &mut found);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(hold("awaitingPayment", at(0)), at(10)), Vec::<String>::new());
        let late = "6 hold-expiry: order o is unpaid and still open after its expiry";
        assert_eq!(found(hold("awaitingPayment", at(0)), at(11)), [late]);
        assert_eq!(found(hold("created", at(0)), at(11)), [late]);
        assert_eq!(found(hold("completed", at(0)), at(11)), Vec::<String>::new());
        assert_eq!(found(hold("cancelled", at(0)), at(11)), Vec::<String>::new());
        let early = hold("cancelled", expires.minus(Duration::from_secs(1)));
        assert_eq!(found(early, at(11)), ["6 hold-expiry: order o was cancelled as expired before its expiry"]);
    }
}
