//! Orders, payments and the ledger: no charge without a ticket, no ticket without a charge.

use std::collections::{BTreeMap, BTreeSet};

use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use serde_json::Value;

use super::books::{Books, Entity};
use super::sales::text;

/// Adds what does not hold.
pub fn check(books: &Books, faults: &mut Vec<String>) {
    let mut by_order: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
    for payment in books.of("payments") {
        by_order.entry(text(&payment.state["orderId"])).or_default().push(payment);
    }
    let orders: BTreeSet<&str> = books.of("orders").iter().map(|order| order.id.as_str()).collect();
    for payment in books.of("payments").iter().filter(|payment| is_captured(payment) || is_live(payment)) {
        if !orders.contains(text(&payment.state["orderId"])) {
            faults.push(format!("3: payment {} is {} and there is no order", payment.id, payment.status_name()));
        }
    }
    for order in books.of("orders") {
        let payments = by_order.get(order.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        // What was given back whole is nothing; some of the winner's may have been, in the provider's dashboard.
        let winner = text(&order.state["status"]["paymentId"]);
        let counts =
            |payment: &&&Entity| payment.id == winner || !(is_refunded(payment) || payment.state["disputed"] == true);
        let captured: Vec<_> = payments.iter().filter(|payment| is_captured(payment)).filter(counts).collect();
        let paid = match captured.as_slice() {
            [payment] => payment.state["amount"] == order.state["price"] && winner == payment.id,
            _ => false,
        };
        match order.status() {
            Some(OrderStatus::Completed) if !paid => {
                faults.push(format!("3: order {} is completed and not paid once", order.id));
            }
            Some(OrderStatus::Completed) => {}
            Some(OrderStatus::Cancelled) if !captured.is_empty() => {
                faults.push(format!("4: order {} is cancelled, and charged without being given back", order.id));
            }
            _ if !captured.is_empty() => {
                faults.push(format!("3: order {} is charged and {}", order.id, order.status_name()));
            }
            Some(OrderStatus::Cancelled) if payments.iter().any(|payment| is_live(payment)) => {
                faults.push(format!("4: the cancelled order {} has a live payment", order.id));
            }
            _ => {}
        }
    }
    ledger(books, faults);
}

/// How much of a charge was given back, in minor units.
pub fn refunded(payment: &Entity) -> i64 {
    payment.state["refunded"]["amount"]["amount"].as_i64().unwrap_or(0)
}

fn is_refunded(payment: &Entity) -> bool {
    refunded(payment) >= payment.state["amount"]["amount"].as_i64().unwrap_or(0)
}

fn is_live(payment: &Entity) -> bool {
    payment.status().is_some_and(|status: PaymentStatus| !status.is_final())
}

/// Whether it was charged, even if some or all of the charge was given back.
pub fn is_captured(payment: &Entity) -> bool {
    payment.status() == Some(PaymentStatus::Captured)
}

fn ledger(books: &Books, faults: &mut Vec<String>) {
    for payment in books.of("payments") {
        let entries = payment.state["ledger"].as_array().cloned().unwrap_or_default();
        let sum = |of: &dyn Fn(&Value) -> bool| -> i64 {
            let lines = entries.iter().filter(|line| of(line));
            lines.map(|line| line["debit"].as_i64().unwrap_or(0) - line["credit"].as_i64().unwrap_or(0)).sum()
        };
        if sum(&|_| true) != 0 {
            faults.push(format!("12: the ledger of payment {} does not balance", payment.id));
        }
        let amount = payment.state["amount"]["amount"].as_i64().unwrap_or(0);
        let charged = if is_captured(payment) { amount - refunded(payment) } else { 0 };
        if sum(&|line| line["account"] == "providerBalance") != charged {
            faults.push(format!("12: the ledger of payment {} is not what was charged", payment.id));
        }
    }
}
