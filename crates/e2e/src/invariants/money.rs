//! Reconciliation of payments with the card network.

use std::collections::BTreeMap;

use common::events::payment::PaymentStatus;
use fakestripe::objects::intent;
use ticketctl::audit::entity::text;
use ticketctl::audit::money::{is_captured, received, refunded};

use super::fleet_data::FleetData;
use super::names::PROVIDER;

/// Each payment has exactly the intent that it should have, and each intent a payment.
pub(super) fn check(data: &FleetData, violations: &mut Vec<String>) {
    let payments = data.by_id("payments");
    let mut refunds: BTreeMap<&str, i64> = BTreeMap::new();
    for refund in data.fakestripe_state["refunds"].as_array().into_iter().flatten() {
        *refunds.entry(text(&refund["payment_intent"])).or_default() += refund["amount"].as_i64().unwrap_or(0);
    }
    let mut intents: BTreeMap<&str, usize> = BTreeMap::new();
    for intent in data.fakestripe_state["paymentIntents"].as_array().into_iter().flatten() {
        let (id, status) = (text(&intent["metadata"]["payment_id"]), text(&intent["status"]));
        *intents.entry(id).or_default() += 1;
        let Some(payment) = payments.get(id) else {
            violations.push(format!("{PROVIDER}: intent {} belongs to no payment", intent["id"]));
            continue;
        };
        let expected = match payment.status() {
            Some(PaymentStatus::RequiresAction) => intent::Status::RequiresAction.name(),
            Some(PaymentStatus::Authorized) => intent::Status::RequiresCapture.name(),
            Some(PaymentStatus::Captured) => intent::Status::Succeeded.name(),
            Some(PaymentStatus::Declined | PaymentStatus::Failed | PaymentStatus::Voided) => {
                intent::Status::Canceled.name()
            }
            // The intent may have any status until the provider's response is recorded.
            Some(PaymentStatus::Authorizing) | None => status,
        };
        let net_received =
            intent["amount_received"].as_i64().unwrap_or(0) - refunds.get(text(&intent["id"])).copied().unwrap_or(0);
        let charged = if is_captured(payment) { received(payment) - refunded(payment) } else { 0 };
        if status != expected || charged != net_received {
            violations.push(format!("{PROVIDER}: payment {id} is {} and its intent {status}", payment.status_name()));
        }
    }
    for (id, payment) in payments {
        let count = intents.get(id).copied().unwrap_or(0);
        let needs_intent = payment.state["providerRef"].is_string();
        if count > 1 || (needs_intent && count == 0) {
            violations.push(format!("{PROVIDER}: payment {id} has {count} intents"));
        }
    }
}
