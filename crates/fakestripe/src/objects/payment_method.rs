//! The `PaymentMethod`: a test card with its owner's details.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cards::TestCard;
use crate::config::Clock;
use crate::id::new_id;
use crate::table::Row;

#[derive(Clone, Debug)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) card: &'static TestCard,
    /// Month and year.
    pub(crate) exp: (i64, i64),
    pub(crate) billing_details: Value,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl PaymentMethod {
    /// A fresh one over a test card, as each use of `pm_card_…` makes.
    pub(crate) fn new(card: &'static TestCard) -> Self {
        Self {
            id: new_id("pm"),
            created: Clock::default().now(),
            card,
            exp: (8, 2034),
            billing_details: billing_details(&Value::Null),
            metadata: BTreeMap::new(),
        }
    }
}

impl Row for PaymentMethod {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

/// The given details with every key of Stripe's, null where nothing was given.
pub(crate) fn billing_details(given: &Value) -> Value {
    json!({
        "address": address(&given["address"]),
        "email": text(given, "email"),
        "name": text(given, "name"),
        "phone": text(given, "phone"),
        "tax_id": text(given, "tax_id"),
    })
}

/// An address with every key of Stripe's.
pub(crate) fn address(given: &Value) -> Value {
    json!({
        "city": text(given, "city"),
        "country": text(given, "country"),
        "line1": text(given, "line1"),
        "line2": text(given, "line2"),
        "postal_code": text(given, "postal_code"),
        "state": text(given, "state"),
    })
}

fn text<'a>(given: &'a Value, key: &str) -> Option<&'a str> {
    given[key].as_str().filter(|text| !text.is_empty())
}

pub(crate) fn render(method: &PaymentMethod) -> Value {
    let brand = method.card.brand;
    json!({
        "id": method.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": method.billing_details,
        "card": {
            "brand": brand,
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": "unchecked",
            },
            "country": "US",
            "display_brand": brand,
            "exp_month": method.exp.0,
            "exp_year": method.exp.1,
            "fingerprint": method.card.fingerprint(),
            "funding": "credit",
            "generated_from": null,
            "last4": method.card.last4(),
            "networks": { "available": [brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "created": method.created,
        "customer": null,
        "customer_account": null,
        "livemode": false,
        "metadata": method.metadata,
        "type": "card",
    })
}
