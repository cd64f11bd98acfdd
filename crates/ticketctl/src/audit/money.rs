//! Orders, payments and the ledger: no charge without a ticket, no ticket without a charge.

use std::time::Duration;

use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use serde_json::Value;

use super::entity::{Entity, text};
use super::finding::Finding;
use super::names::{Invariant, LEDGER, PAID_ONCE, REFUNDED};
use super::remedy::Remedy;

/// How long an order or a payment may stay authorised. `payments` captures at once, retries a failed capture for ten
/// minutes (the default of `CAPTURE_RETRY_WINDOW`), then cancels the authorisation; one that wins no order is voided
/// when the hold ends, after a quarter of an hour (the default of `ORDER_TTL`). The rest is for an outage of the
/// provider.
const MAX_AUTHORIZED: Duration = Duration::from_secs(2 * 3600);
/// How long a payment may stay without a result. `payments` repeats the request for 23 hours, while its idempotency key
/// is valid, and then declines the payment if the provider has no intent of it. The rest is for an outage of the
/// provider.
const MAX_AUTHORIZING: Duration = Duration::from_secs(25 * 3600);

/// Checks that neither an order nor its payments stay too long in a status that an event has to end. If that event is
/// lost, all documents agree, so no other check finds it.
pub fn check_progress(
    id: &str,
    order: Option<&Entity>,
    payments: &[&Entity],
    now: Timestamp,
    found: &mut Vec<Finding>,
) {
    let is_stuck = |entity: &Entity, limit: Duration| {
        let updated_at = text(&entity.state["updatedAt"]).parse::<Timestamp>().ok();
        updated_at.is_some_and(|at| now.since(at) > limit)
    };
    let describe = |kind: &str, id: &str, status: &str, limit: Duration| {
        format!("{kind} {id} has been {status} for more than {} hours", limit.as_secs() / 3600)
    };
    let authorized = order.filter(|order| order.status() == Some(OrderStatus::Authorized));
    if authorized.is_some_and(|order| is_stuck(order, MAX_AUTHORIZED)) {
        let text = describe("order", id, OrderStatus::Authorized.as_ref(), MAX_AUTHORIZED);
        found.push(Finding::new(PAID_ONCE, "orders", [id], text).repaired_by([Remedy::resync("orders", id)]));
    }
    for payment in payments {
        let limit = match payment.status() {
            Some(PaymentStatus::Authorizing) => MAX_AUTHORIZING,
            Some(PaymentStatus::Authorized) => MAX_AUTHORIZED,
            _ => continue,
        };
        if is_stuck(payment, limit) {
            let text = describe("payment", &payment.id, payment.status_name(), limit);
            let remedies = [Remedy::resync("payments", &payment.id), Remedy::resync("orders", id)];
            let finding = Finding::new(PAID_ONCE, "payments", [payment.id.as_str(), id], text);
            found.push(finding.repaired_by(remedies));
        }
    }
}

/// Checks an order against all its payments, and their ledgers.
pub fn check_order(id: &str, order: Option<&Entity>, payments: &[&Entity], found: &mut Vec<Finding>) {
    for payment in payments {
        check_ledger(payment, found);
    }
    let Some(order) = order else {
        let holds_money = |payment: &&&Entity| is_live(payment) || (is_captured(payment) && !is_refunded(payment));
        for payment in payments.iter().filter(holds_money) {
            let (payment, status) = (payment.id.as_str(), payment.status_name());
            let text = format!("payment {payment} is {status} but its order does not exist");
            let remedies = [Remedy::raise("orders", id), Remedy::void(payment)];
            found.push(Finding::new(PAID_ONCE, "payments", [payment, id], text).repaired_by(remedies));
        }
        return;
    };
    // Fully refunded or disputed payments do not count, except the payment that completed the order, which may have
    // been refunded in the provider's dashboard.
    let completing = text(&order.state["status"]["paymentId"]);
    let is_effective =
        |payment: &Entity| payment.id == completing || !(is_refunded(payment) || payment.state["disputed"] == true);
    let captured: Vec<&Entity> =
        payments.iter().filter(|payment| is_captured(payment) && is_effective(payment)).copied().collect();
    let paid = match captured.as_slice() {
        [payment] => payment.state["amount"] == order.state["price"] && completing == payment.id,
        _ => false,
    };
    let mut report = |invariant: Invariant, payments: &[&Entity], text: String, remedies: Vec<Remedy>| {
        let payments = payments.iter().map(|payment| payment.id.as_str());
        let finding = Finding::new(invariant, "orders", std::iter::once(id).chain(payments), text);
        found.push(finding.repaired_by(remedies));
    };
    let voids = |payments: &[&Entity]| payments.iter().map(|payment| Remedy::void(&payment.id)).collect::<Vec<_>>();
    // Once `payments` has received the cancellation of the order, it voids or refunds the payments by itself.
    let cancellation = |payments: &[&Entity]| [vec![Remedy::resync("orders", id)], voids(payments)].concat();
    match order.status() {
        Some(OrderStatus::Completed) if !paid => {
            let text = format!("order {id} is completed without exactly one matching payment");
            let others: Vec<_> = captured.iter().filter(|payment| payment.id != completing).copied().collect();
            let behind = (!completing.is_empty()).then(|| Remedy::raise("payments", completing));
            report(PAID_ONCE, &captured, text, behind.into_iter().chain(voids(&others)).collect());
        }
        Some(OrderStatus::Completed) => {}
        Some(OrderStatus::Cancelled) if !captured.is_empty() => {
            let text = format!("order {id} is cancelled and charged but not refunded");
            report(REFUNDED, &captured, text, cancellation(&captured));
        }
        _ if !captured.is_empty() => {
            let text = format!("order {id} is charged and {}", order.status_name());
            let announced = captured.iter().map(|payment| Remedy::resync("payments", &payment.id)).collect();
            report(PAID_ONCE, &captured, text, announced);
        }
        Some(OrderStatus::Cancelled) => {
            let live: Vec<&Entity> = payments.iter().filter(|payment| is_live(payment)).copied().collect();
            if !live.is_empty() {
                report(REFUNDED, &live, format!("the cancelled order {id} has a live payment"), cancellation(&live));
            }
        }
        // Nothing ends such an order any more, and nobody else can buy its ticket.
        Some(OrderStatus::Authorized) => {
            let has_ended = |payment: &&Entity| payment.status().is_some_and(PaymentStatus::is_final);
            let ended = payments.iter().copied().find(|payment| payment.id == completing && has_ended(payment));
            if let Some(payment) = ended {
                let text = format!("order {id} is still authorized by a payment that is {}", payment.status_name());
                report(PAID_ONCE, &[payment], text, vec![Remedy::resync("payments", &payment.id)]);
            }
        }
        _ => {}
    }
}

/// The refunded amount in minor units.
pub fn refunded(payment: &Entity) -> i64 {
    payment.state["refunded"]["amount"]["amount"].as_i64().unwrap_or(0)
}

/// The amount in minor units that the provider received for a captured payment. The state has `received` only if that
/// is more than `amount`.
pub fn received(payment: &Entity) -> i64 {
    let more = payment.state["received"]["amount"].as_i64();
    more.unwrap_or_else(|| payment.state["amount"]["amount"].as_i64().unwrap_or(0))
}

/// Whether the whole charge was refunded.
pub(crate) fn is_refunded(payment: &Entity) -> bool {
    refunded(payment) >= received(payment)
}

fn is_live(payment: &Entity) -> bool {
    payment.status().is_some_and(|status: PaymentStatus| !status.is_final())
}

/// Whether the payment was charged, even if it was refunded.
pub fn is_captured(payment: &Entity) -> bool {
    payment.status() == Some(PaymentStatus::Captured)
}

/// Checks that a payment's ledger balances, and that it agrees with what was charged.
fn check_ledger(payment: &Entity, found: &mut Vec<Finding>) {
    let entries = payment.state["ledger"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = |filter: &dyn Fn(&Value) -> bool| -> i64 {
        let lines = entries.iter().filter(|line| filter(line));
        lines.map(|line| line["debit"].as_i64().unwrap_or(0) - line["credit"].as_i64().unwrap_or(0)).sum()
    };
    let id = payment.id.as_str();
    if sum(&|_| true) != 0 {
        let text = format!("the ledger of payment {id} does not balance");
        found.push(Finding::new(LEDGER, "payments", [id], text));
    }
    let charged = if is_captured(payment) { received(payment) - refunded(payment) } else { 0 };
    if sum(&|line| line["account"] == "providerBalance") != charged {
        let text = format!("the ledger of payment {id} differs from the net charge");
        found.push(Finding::new(LEDGER, "payments", [id], text));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::fixtures::entity;

    fn order(status: &str) -> Entity {
        let has_winner = matches!(status, "authorized" | "completed");
        let status = json!({ "name": status, "paymentId": has_winner.then_some("p") });
        entity("o", json!({ "price": { "amount": 50, "currency": "USD" }, "status": status }))
    }

    fn payment(id: &str, status: &str, amount: i64) -> Entity {
        let charged = if status == "captured" { amount } else { 0 };
        let ledger = json!([
            { "account": "providerBalance", "debit": charged, "credit": 0 },
            { "account": "sellerPayable", "debit": 0, "credit": charged },
        ]);
        let amount = json!({ "amount": amount, "currency": "USD" });
        entity(id, json!({ "orderId": "o", "amount": amount, "status": { "name": status }, "ledger": ledger }))
    }

    fn found(order: Option<&Entity>, payments: &[Entity]) -> Vec<String> {
        let mut found = Vec::new();
        check_order("o", order, &payments.iter().collect::<Vec<_>>(), &mut found);
        found.iter().map(|finding| format!("{finding} {:?}", finding.ids)).collect()
    }

    #[test]
    fn consistent_orders_have_no_finding() {
        for (status, payments) in [
            ("awaitingPayment", vec![]),
            ("awaitingPayment", vec![payment("d", "declined", 50), payment("p", "requiresAction", 50)]),
            ("authorized", vec![payment("p", "authorized", 50)]),
            ("completed", vec![payment("d", "declined", 50), payment("p", "captured", 50)]),
            ("cancelled", vec![payment("p", "voided", 50)]),
        ] {
            assert_eq!(found(Some(&order(status)), &payments), Vec::<String>::new(), "{status}");
        }
    }

    #[test]
    fn each_disagreement_is_one_finding() {
        let unpaid = "3 paid-once: order o is completed without exactly one matching payment";
        let charged = |id: &str, amount: i64| payment(id, "captured", amount);
        for (order, payments, expected) in [
            (Some(order("completed")), vec![], format!("{unpaid} [\"o\"]")),
            (Some(order("completed")), vec![charged("p", 49)], format!("{unpaid} [\"o\", \"p\"]")),
            (Some(order("completed")), vec![charged("q", 50)], format!("{unpaid} [\"o\", \"q\"]")),
            (
                Some(order("completed")),
                vec![charged("p", 50), charged("q", 50)],
                format!("{unpaid} [\"o\", \"p\", \"q\"]"),
            ),
            (
                Some(order("authorized")),
                vec![charged("p", 50)],
                "3 paid-once: order o is charged and authorized [\"o\", \"p\"]".to_owned(),
            ),
            (
                Some(order("authorized")),
                vec![payment("p", "declined", 50)],
                "3 paid-once: order o is still authorized by a payment that is declined [\"o\", \"p\"]".to_owned(),
            ),
            (
                Some(order("cancelled")),
                vec![charged("p", 50)],
                "4 refunded: order o is cancelled and charged but not refunded [\"o\", \"p\"]".to_owned(),
            ),
            (
                Some(order("cancelled")),
                vec![payment("p", "authorized", 50)],
                "4 refunded: the cancelled order o has a live payment [\"o\", \"p\"]".to_owned(),
            ),
            (
                None,
                vec![charged("p", 50)],
                "3 paid-once: payment p is captured but its order does not exist [\"p\", \"o\"]".to_owned(),
            ),
        ] {
            assert_eq!(found(order.as_ref(), &payments), [expected]);
        }
    }

    #[test]
    fn unsettled_sales_are_found_although_their_entities_agree() {
        let began = Timestamp::from_millis(0);
        let check = |order: Entity, payment: Entity, hours: u64| {
            let aged = |mut entity: Entity| {
                entity.state["updatedAt"] = json!(began.to_string());
                entity
            };
            let (order, payment, mut found) = (aged(order), aged(payment), Vec::new());
            // A second more than the hours.
            let now = began.plus(Duration::from_secs(hours * 3600 + 1));
            check_progress("o", Some(&order), &[&payment], now, &mut found);
            found.iter().map(|finding| format!("{finding} {:?}", finding.ids)).collect::<Vec<_>>()
        };
        let authorized = || (order("authorized"), payment("p", "authorized", 50));
        let (of_order, of_payment) = authorized();
        assert_eq!(check(of_order, of_payment, 1), Vec::<String>::new());
        let (of_order, of_payment) = authorized();
        assert_eq!(
            check(of_order, of_payment, 2),
            [
                "3 paid-once: order o has been authorized for more than 2 hours [\"o\"]",
                "3 paid-once: payment p has been authorized for more than 2 hours [\"p\", \"o\"]",
            ]
        );
        let authorizing = |hours| check(order("awaitingPayment"), payment("p", "authorizing", 50), hours);
        assert_eq!(authorizing(24), Vec::<String>::new());
        let stuck = "3 paid-once: payment p has been authorizing for more than 25 hours [\"p\", \"o\"]";
        assert_eq!(authorizing(25), [stuck]);
        for (of_order, of_payment) in [("completed", "captured"), ("cancelled", "voided"), ("cancelled", "declined")] {
            let found = check(order(of_order), payment("p", of_payment, 50), 1_000);
            assert_eq!(found, Vec::<String>::new(), "{of_order}");
        }
    }

    #[test]
    fn money_of_closed_and_lost_orders_is_returned() {
        let charged = |id: &str| payment(id, "captured", 50);
        let raise = |owner: &str, id: &str| format!("ticketctl raise {owner} {id}");
        let (resync, void) = ("ticketctl resync orders --ids o".to_owned(), |id: &str| format!("ticketctl void {id}"));
        for (order, payments, expected) in [
            (Some(order("cancelled")), vec![charged("p")], vec![resync.clone(), void("p")]),
            (Some(order("cancelled")), vec![payment("p", "authorized", 50)], vec![resync, void("p")]),
            (Some(order("completed")), vec![charged("p"), charged("q")], vec![raise("payments", "p"), void("q")]),
            (Some(order("completed")), vec![], vec![raise("payments", "p")]),
            (Some(order("authorized")), vec![charged("p")], vec!["ticketctl resync payments --ids p".to_owned()]),
            (None, vec![charged("p")], vec![raise("orders", "o"), void("p")]),
        ] {
            let mut found = Vec::new();
            check_order("o", order.as_ref(), &payments.iter().collect::<Vec<_>>(), &mut found);
            let remedies: Vec<_> =
                found.iter().flat_map(|finding| &finding.remedies).map(ToString::to_string).collect();
            assert_eq!(remedies, expected, "{order:?}");
        }
    }

    #[test]
    fn refunded_charge_is_no_violation_once_its_order_is_gone() {
        let mut charged = payment("p", "captured", 50);
        charged.state["refunded"] = json!({ "amount": { "amount": 50, "currency": "USD" } });
        charged.state["ledger"] = json!([]);
        assert_eq!(found(None, &[charged]), Vec::<String>::new());
    }

    #[test]
    fn refunded_charge_of_a_cancelled_order_is_consistent() {
        let mut charged = payment("p", "captured", 50);
        charged.state["refunded"] = json!({ "amount": { "amount": 50, "currency": "USD" } });
        charged.state["ledger"] = json!([]);
        assert_eq!(found(Some(&order("cancelled")), &[charged]), Vec::<String>::new());
    }

    #[test]
    fn ledger_balances_and_agrees_with_the_charge() {
        let mut unbalanced = payment("p", "captured", 50);
        unbalanced.state["ledger"][1]["credit"] = json!(49);
        let balance = "12 ledger: the ledger of payment p does not balance [\"p\"]";
        assert_eq!(found(Some(&order("completed")), &[unbalanced]), [balance]);
        let mut empty = payment("p", "captured", 50);
        empty.state["ledger"] = json!([]);
        let differs = "12 ledger: the ledger of payment p differs from the net charge [\"p\"]";
        assert_eq!(found(Some(&order("completed")), &[empty]), [differs]);
    }
}
