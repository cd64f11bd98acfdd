//! Orders, payments, the ledger and the card network: no charge without a ticket, no ticket without a charge.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read::{Entity, World};
use super::sales::text;

pub(super) fn check(world: &World, faults: &mut Vec<String>) {
    let mut by_order: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
    for payment in world.of("payments") {
        by_order.entry(text(&payment.state["orderId"])).or_default().push(payment);
    }
    for order in world.of("orders") {
        let payments = by_order.get(order.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let captured: Vec<_> = payments.iter().filter(|payment| payment.status() == "captured").collect();
        let paid = match captured.as_slice() {
            [payment] => {
                payment.state["amount"] == order.state["price"]
                    && text(&order.state["status"]["paymentId"]) == payment.id
            }
            _ => false,
        };
        match order.status() {
            "completed" if !paid => faults.push(format!("3: order {} is completed and not paid once", order.id)),
            "completed" => {}
            _ if !captured.is_empty() => {
                faults.push(format!("3: order {} is charged and {}", order.id, order.status()));
            }
            "cancelled" if payments.iter().any(|payment| is_live(payment)) => {
                faults.push(format!("4: the cancelled order {} has a live payment", order.id));
            }
            _ => {}
        }
    }
    ledger(world, faults);
    provider(world, faults);
}

fn is_live(payment: &Entity) -> bool {
    matches!(payment.status(), "authorizing" | "requiresAction" | "authorized")
}

fn ledger(world: &World, faults: &mut Vec<String>) {
    for payment in world.of("payments") {
        let entries = payment.state["ledger"].as_array().cloned().unwrap_or_default();
        let sum = |of: &dyn Fn(&Value) -> bool| -> i64 {
            let lines = entries.iter().filter(|line| of(line));
            lines.map(|line| line["debit"].as_i64().unwrap_or(0) - line["credit"].as_i64().unwrap_or(0)).sum()
        };
        if sum(&|_| true) != 0 {
            faults.push(format!("12: the ledger of payment {} does not balance", payment.id));
        }
        let amount = payment.state["amount"]["amount"].as_i64().unwrap_or(0);
        let charged = if payment.status() == "captured" { amount } else { 0 };
        if sum(&|line| line["account"] == "providerBalance") != charged {
            faults.push(format!("12: the ledger of payment {} is not what was charged", payment.id));
        }
    }
}

/// Each payment has the one intent that it should have, and each intent its payment.
fn provider(world: &World, faults: &mut Vec<String>) {
    let intents = world.card_network["paymentIntents"].as_array().cloned().unwrap_or_default();
    let payments: BTreeMap<&str, &Entity> = world.of("payments").iter().map(|p| (p.id.as_str(), p)).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for intent in &intents {
        let (id, status) = (text(&intent["metadata"]["payment_id"]), text(&intent["status"]));
        *seen.entry(id.to_owned()).or_default() += 1;
        let Some(payment) = payments.get(id) else {
            faults.push(format!("12: intent {} belongs to no payment", intent["id"]));
            continue;
        };
        let expected = match payment.status() {
            "requiresAction" => "requires_action",
            "authorized" => "requires_capture",
            "captured" => "succeeded",
            "declined" | "failed" | "voided" => "canceled",
            _ => status,
        };
        let received = intent["amount_received"].as_i64().unwrap_or(0);
        let charged = if payment.status() == "captured" { payment.state["amount"]["amount"].as_i64() } else { Some(0) };
        if status != expected || charged != Some(received) {
            faults.push(format!("12: payment {id} is {} and its intent {status}", payment.status()));
        }
    }
    for payment in world.of("payments") {
        let count = seen.get(&payment.id).copied().unwrap_or(0);
        let needs = payment.state["providerRef"].is_string();
        if count > 1 || (needs && count == 0) {
            faults.push(format!("12: payment {} has {count} intents", payment.id));
        }
    }
}
