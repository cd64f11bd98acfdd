//! The `Refund` of a captured charge, in full or in part.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::objects::extended::extended;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    /// Unix time in seconds.
    pub(crate) created: i64,
    /// In the smallest unit of the currency.
    pub(crate) amount: i64,
    pub(crate) currency: &'static str,
    pub(crate) charge: String,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Keys of Stripe's object that are always null here.
const NULL_KEYS: &str = "customer customer_account receipt_number source_transfer_reversal transfer_reversal";

pub(crate) fn render(refund: &Refund) -> Value {
    let suffix = refund.id.trim_start_matches("re_");
    let keys = json!({
        "object": "refund",
        "balance_transaction": format!("txn_{suffix}"),
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "status": "succeeded",
    });
    extended(refund, keys, NULL_KEYS)
}
