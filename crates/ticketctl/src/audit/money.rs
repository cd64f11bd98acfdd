//! Orders, payments and the ledger: no charge without a ticket, no ticket without a charge.

use std::collections::{BTreeMap, BTreeSet};

use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use serde_json::Value;

use super::data::{AuditData, Entity, text};
use super::names::{LEDGER, PAID_ONCE, REFUNDED};

/// Appends the violated invariants, each with its number and name in docs/reliability.md.
pub fn check(data: &AuditData, violations: &mut Vec<String>) {
    let mut by_order: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
    for payment in data.owned("payments") {
        by_order.entry(text(&payment.state["orderId"])).or_default().push(payment);
    }
    let orders: BTreeSet<&str> = data.owned("orders").iter().map(|order| order.id.as_str()).collect();
    for payment in data.owned("payments").iter().filter(|payment| is_captured(payment) || is_live(payment)) {
        if !orders.contains(text(&payment.state["orderId"])) {
            violations.push(format!(
                "{PAID_ONCE}: payment {} is {} but its order does not exist",
                payment.id,
                payment.status_name()
            ));
        }
    }
    for order in data.owned("orders") {
        let payments = by_order.get(order.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        // Fully refunded or disputed payments do not count, except the payment that completed the order, which may have
        // been refunded in the provider's dashboard.
        let completing = text(&order.state["status"]["paymentId"]);
        let is_effective =
            |payment: &Entity| payment.id == completing || !(is_refunded(payment) || payment.state["disputed"] == true);
        let captured: Vec<_> =
            payments.iter().filter(|payment| is_captured(payment) && is_effective(payment)).collect();
        let paid = match captured.as_slice() {
            [payment] => payment.state["amount"] == order.state["price"] && completing == payment.id,
            _ => false,
        };
        match order.status() {
            Some(OrderStatus::Completed) if !paid => {
                violations
                    .push(format!("{PAID_ONCE}: order {} is completed without exactly one matching payment", order.id));
            }
            Some(OrderStatus::Completed) => {}
            Some(OrderStatus::Cancelled) if !captured.is_empty() => {
                violations.push(format!("{REFUNDED}: order {} is cancelled and charged but not refunded", order.id));
            }
            _ if !captured.is_empty() => {
                violations.push(format!("{PAID_ONCE}: order {} is charged and {}", order.id, order.status_name()));
            }
            Some(OrderStatus::Cancelled) if payments.iter().any(|payment| is_live(payment)) => {
                violations.push(format!("{REFUNDED}: the cancelled order {} has a live payment", order.id));
            }
            _ => {}
        }
    }
    check_ledgers(data, violations);
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

fn is_refunded(payment: &Entity) -> bool {
    refunded(payment) >= received(payment)
}

fn is_live(payment: &Entity) -> bool {
    payment.status().is_some_and(|status: PaymentStatus| !status.is_final())
}

/// Whether the payment was charged, even if it was refunded.
pub fn is_captured(payment: &Entity) -> bool {
    payment.status() == Some(PaymentStatus::Captured)
}

/// Appends the violated invariants of the ledgers.
fn check_ledgers(data: &AuditData, violations: &mut Vec<String>) {
    for payment in data.owned("payments") {
        let entries = payment.state["ledger"].as_array().cloned().unwrap_or_default();
        let sum = |filter: &dyn Fn(&Value) -> bool| -> i64 {
            let lines = entries.iter().filter(|line| filter(line));
            lines.map(|line| line["debit"].as_i64().unwrap_or(0) - line["credit"].as_i64().unwrap_or(0)).sum()
        };
        if sum(&|_| true) != 0 {
            violations.push(format!("{LEDGER}: the ledger of payment {} does not balance", payment.id));
        }
        let charged = if is_captured(payment) { received(payment) - refunded(payment) } else { 0 };
        if sum(&|line| line["account"] == "providerBalance") != charged {
            violations.push(format!("{LEDGER}: the ledger of payment {} differs from the net charge", payment.id));
        }
    }
}
