//! The Charge: one attempt at a card, approved or refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cards::{Decline, TestCard};
use crate::objects::refund::{self, Refund};
use crate::table::{Row, Table};

#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) amount_captured: i64,
    /// What was given back, including what a partial capture or a cancellation let go.
    pub(crate) amount_refunded: i64,
    pub(crate) captured: bool,
    pub(crate) disputed: bool,
    pub(crate) currency: &'static str,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    pub(crate) card: &'static TestCard,
    pub(crate) authenticated: bool,
    pub(crate) exp: (i64, i64),
    pub(crate) billing_details: Value,
    pub(crate) declined: Option<Decline>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) receipt_email: Option<String>,
    pub(crate) shipping: Value,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) transfer_group: Option<String>,
    pub(crate) base_url: String,
}

impl Charge {
    /// What may still be refunded.
    pub(crate) fn rest(&self) -> i64 {
        self.amount - self.amount_refunded
    }
}

impl Row for Charge {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

pub(crate) fn render(charge: &Charge, refunds: &Table<Refund>) -> Value {
    let paid = charge.declined.is_none();
    let (failure_code, failure_message) = match charge.declined.map(Decline::words) {
        Some((code, _, _, message)) => (Some(code), Some(message)),
        None => (None, None),
    };
    let suffix = charge.id.trim_start_matches("ch_");
    let made = refunds.rows().iter().rev();
    let made: Vec<Value> = made.filter(|refund| refund.charge == charge.id).take(10).map(refund::render).collect();
    json!({
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": charge.captured.then(|| format!("txn_{suffix}")),
        "billing_details": charge.billing_details,
        "calculated_statement_descriptor": paid.then_some("TICKETS"),
        "captured": charge.captured,
        "created": charge.created,
        "currency": charge.currency,
        "customer": null,
        "description": charge.description,
        "disputed": charge.disputed,
        "failure_balance_transaction": null,
        "failure_code": failure_code,
        "failure_message": failure_message,
        "fraud_details": {},
        "livemode": false,
        "metadata": charge.metadata,
        "on_behalf_of": null,
        "outcome": outcome(charge.declined),
        "paid": paid,
        "payment_intent": charge.payment_intent,
        "payment_method": charge.payment_method,
        "payment_method_details": { "card": card(charge), "type": "card" },
        "receipt_email": charge.receipt_email,
        "receipt_number": null,
        "receipt_url": paid.then(|| format!("{}/receipts/{}", charge.base_url, charge.id)),
        "refunded": paid && charge.rest() == 0,
        "refunds": {
            "object": "list",
            "data": made,
            "has_more": false,
            "url": format!("/v1/charges/{}/refunds", charge.id),
        },
        "review": null,
        "shipping": charge.shipping,
        "source": null,
        "source_transfer": null,
        "statement_descriptor": charge.statement_descriptor,
        "statement_descriptor_suffix": charge.statement_descriptor_suffix,
        "status": if paid { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": charge.transfer_group,
    })
}

fn outcome(declined: Option<Decline>) -> Value {
    let Some((_, reason, advice, _)) = declined.map(Decline::words) else {
        return json!({
            "advice_code": null,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": "approved_by_network",
            "reason": null,
            "risk_level": "normal",
            "seller_message": "Payment complete.",
            "type": "authorized",
        });
    };
    json!({
        "advice_code": advice,
        "network_advice_code": null,
        "network_decline_code": "05",
        "network_status": "declined_by_network",
        "reason": reason,
        "risk_level": "normal",
        "seller_message": "The bank declined the payment.",
        "type": "issuer_declined",
    })
}

fn card(charge: &Charge) -> Value {
    let three_d_secure = charge.authenticated.then(|| {
        json!({
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": null,
            "result": "authenticated",
            "result_reason": null,
            "transaction_id": null,
            "version": "2.2.0",
        })
    });
    json!({
        "amount_authorized": charge.declined.is_none().then_some(charge.amount),
        "authorization_code": charge.declined.is_none().then_some("123456"),
        "brand": charge.card.brand,
        "checks": {
            "address_line1_check": null,
            "address_postal_code_check": null,
            "cvc_check": "pass",
        },
        "country": "US",
        "exp_month": charge.exp.0,
        "exp_year": charge.exp.1,
        "extended_authorization": { "status": "disabled" },
        "fingerprint": charge.card.fingerprint(),
        "funding": "credit",
        "incremental_authorization": { "status": "unavailable" },
        "installments": null,
        "last4": charge.card.last4(),
        "mandate": null,
        "multicapture": { "status": "unavailable" },
        "network": charge.card.brand,
        "network_token": { "used": false },
        "network_transaction_id": null,
        "overcapture": {
            "maximum_amount_capturable": charge.amount,
            "status": "unavailable",
        },
        "regulated_status": "unregulated",
        "three_d_secure": three_d_secure,
        "transaction_link_id": null,
        "wallet": null,
    })
}
