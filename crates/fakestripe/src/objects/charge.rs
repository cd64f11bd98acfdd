//! The `Charge`: one attempt to charge a card, approved or declined.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::cards::{Decline, TestCard};
use crate::objects::extended::extended;
use crate::objects::refund::{self, Refund};
use crate::table::Table;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    /// Unix time in seconds.
    pub(crate) created: i64,
    /// In the smallest unit of the currency, like all amounts.
    pub(crate) amount: i64,
    pub(crate) amount_captured: i64,
    /// Includes the amount that a partial capture or a cancellation released.
    pub(crate) amount_refunded: i64,
    pub(crate) captured: bool,
    pub(crate) disputed: bool,
    pub(crate) currency: &'static str,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    #[serde(skip)]
    pub(crate) card: &'static TestCard,
    #[serde(skip)]
    pub(crate) authenticated: bool,
    /// Month and year in which the card expires.
    #[serde(skip)]
    pub(crate) expiry: (i64, i64),
    pub(crate) billing_details: Value,
    #[serde(skip)]
    pub(crate) declined: Option<Decline>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) receipt_email: Option<String>,
    pub(crate) shipping: Value,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) transfer_group: Option<String>,
    #[serde(skip)]
    pub(crate) base_url: String,
}

impl Charge {
    /// The amount that may still be refunded.
    pub(crate) fn refundable(&self) -> i64 {
        self.amount - self.amount_refunded
    }
}

/// Keys of Stripe's object that are always null here.
const NULL_KEYS: &str = "\
    application application_fee application_fee_amount customer failure_balance_transaction on_behalf_of \
    receipt_number review source source_transfer transfer_data";

pub(crate) fn render(charge: &Charge, refunds: &Table<Refund>) -> Value {
    let paid = charge.declined.is_none();
    let failure = charge.declined.map(Decline::error_fields);
    let suffix = charge.id.trim_start_matches("ch_");
    let newest_first = refunds.rows().iter().rev().filter(|refund| refund.charge == charge.id);
    let refunds: Vec<Value> = newest_first.take(10).map(refund::render).collect();
    let keys = json!({
        "object": "charge",
        "balance_transaction": charge.captured.then(|| format!("txn_{suffix}")),
        "calculated_statement_descriptor": paid.then_some("TICKETS"),
        "failure_code": failure.map(|(code, ..)| code),
        "failure_message": failure.map(|(.., message)| message),
        "fraud_details": {},
        "livemode": false,
        "outcome": outcome(charge.declined),
        "paid": paid,
        "payment_method_details": { "card": card(charge), "type": "card" },
        "receipt_url": paid.then(|| format!("{}/receipts/{}", charge.base_url, charge.id)),
        "refunded": paid && charge.refundable() == 0,
        "refunds": {
            "object": "list",
            "data": refunds,
            "has_more": false,
            "url": format!("/v1/charges/{}/refunds", charge.id),
        },
        "status": if paid { "succeeded" } else { "failed" },
    });
    extended(charge, keys, NULL_KEYS)
}

fn outcome(declined: Option<Decline>) -> Value {
    let fields = declined.map(Decline::error_fields);
    let is_declined = fields.is_some();
    json!({
        "advice_code": fields.and_then(|(_, _, advice, _)| advice),
        "network_advice_code": null,
        "network_decline_code": is_declined.then_some("05"),
        "network_status": if is_declined { "declined_by_network" } else { "approved_by_network" },
        "reason": fields.map(|(_, reason, ..)| reason),
        "risk_level": "normal",
        "seller_message": if is_declined { "The bank declined the payment." } else { "Payment complete." },
        "type": if is_declined { "issuer_declined" } else { "authorized" },
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
        "exp_month": charge.expiry.0,
        "exp_year": charge.expiry.1,
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
