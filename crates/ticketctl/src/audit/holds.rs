//! Unpaid orders: every hold ends in time.

use std::time::Duration;

use common::events::order::{CancelReason, OrderStatus};
use common::timestamp::Timestamp;

use super::entity::{Entity, text};
use super::finding::Finding;
use super::names::HOLD_EXPIRY;
use super::remedy::Remedy;

/// Maximum time between the expiry of an unpaid order and its cancellation.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(10);
/// The maximum if more than a thousand orders expire in one second.
pub const EXPIRY_GRACE_BURST: Duration = Duration::from_secs(60);

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
