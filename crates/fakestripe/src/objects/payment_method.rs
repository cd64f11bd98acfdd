//! The `PaymentMethod`: a test card with its owner's billing details.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::cards::TestCard;
use crate::config::Clock;
use crate::id::new_id;
use crate::objects::extended::extended;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    #[serde(skip)]
    pub(crate) card: &'static TestCard,
    /// Month and year.
    #[serde(skip)]
    pub(crate) expiry: (i64, i64),
    pub(crate) billing_details: Value,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl PaymentMethod {
    /// A new payment method for a test card; every use of `pm_card_…` creates one. The creation time is the system's,
    /// not that of the configured clock.
    pub(crate) fn new(card: &'static TestCard) -> Self {
        Self {
            id: new_id("pm"),
            created: Clock::default().now(),
            card,
            expiry: (8, 2034),
            billing_details: billing_details(&Value::Null),
            metadata: BTreeMap::new(),
        }
    }
}

/// Billing details with all of Stripe's keys; those that are not given are null.
pub(crate) fn billing_details(given: &Value) -> Value {
    let address = json!({ "address": address(&given["address"]) });
    extended(&texts(given, &["email", "name", "phone", "tax_id"]), address, "")
}

/// An address with all of Stripe's keys; those that are not given are null.
pub(crate) fn address(given: &Value) -> Value {
    texts(given, &["city", "country", "line1", "line2", "postal_code", "state"])
}

/// An object with these keys: non-empty strings, and null for everything else.
fn texts(given: &Value, keys: &[&str]) -> Value {
    let text = |key: &str| given[key].as_str().filter(|text| !text.is_empty());
    keys.iter().map(|key| (*key, text(key))).collect()
}

const NULL_KEYS: &str = "customer customer_account";

pub(crate) fn render(method: &PaymentMethod) -> Value {
    let brand = method.card.brand;
    let keys = json!({
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "card": {
            "brand": brand,
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": "unchecked",
            },
            "country": "US",
            "display_brand": brand,
            "exp_month": method.expiry.0,
            "exp_year": method.expiry.1,
            "fingerprint": method.card.fingerprint(),
            "funding": "credit",
            "generated_from": null,
            "last4": method.card.last4(),
            "networks": { "available": [brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "livemode": false,
        "type": "card",
    });
    extended(method, keys, NULL_KEYS)
}
