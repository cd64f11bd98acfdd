//! Payments and the card network: each side knows of all that the other does.

use std::collections::BTreeMap;

use common::events::payment::PaymentStatus;
use ticketctl::audit::books::Entity;
use ticketctl::audit::money::{is_captured, refunded};
use ticketctl::audit::sales::text;

use super::read::World;

/// Each payment has the one intent that it should have, and each intent its payment.
pub(super) fn check(world: &World, faults: &mut Vec<String>) {
    let intents = world.card_network["paymentIntents"].as_array().cloned().unwrap_or_default();
    let payments: BTreeMap<&str, &Entity> = world.of("payments").iter().map(|p| (p.id.as_str(), p)).collect();
    let mut given_back: BTreeMap<&str, i64> = BTreeMap::new();
    for refund in world.card_network["refunds"].as_array().into_iter().flatten() {
        *given_back.entry(text(&refund["payment_intent"])).or_default() += refund["amount"].as_i64().unwrap_or(0);
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for intent in &intents {
        let (id, status) = (text(&intent["metadata"]["payment_id"]), text(&intent["status"]));
        *seen.entry(id.to_owned()).or_default() += 1;
        let Some(payment) = payments.get(id) else {
            faults.push(format!("12: intent {} belongs to no payment", intent["id"]));
            continue;
        };
        let expected = match payment.status() {
            Some(PaymentStatus::RequiresAction) => "requires_action",
            Some(PaymentStatus::Authorized) => "requires_capture",
            Some(PaymentStatus::Captured) => "succeeded",
            Some(PaymentStatus::Declined | PaymentStatus::Failed | PaymentStatus::Voided) => "canceled",
            Some(PaymentStatus::Authorizing) | None => status,
        };
        let received = intent["amount_received"].as_i64().unwrap_or(0);
        let kept = received - given_back.get(text(&intent["id"])).copied().unwrap_or(0);
        let charged = payment.state["amount"]["amount"].as_i64().unwrap_or(0) - refunded(payment);
        let charged = if is_captured(payment) { charged } else { 0 };
        if status != expected || charged != kept {
            faults.push(format!("12: payment {id} is {} and its intent {status}", payment.status_name()));
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
