//! Stored objects, rendered as JSON with every key that Stripe's fixtures have.

pub(crate) mod charge;
pub(crate) mod event;
pub(crate) mod intent;
pub(crate) mod payment_method;
pub(crate) mod refund;

use serde::Serialize;
use serde_json::{Value, json};

use crate::table::Row;

macro_rules! impl_row {
    ($($object:ty),*) => {
        $(impl Row for $object {
            fn id(&self) -> &str {
                &self.id
            }

            fn created(&self) -> i64 {
                self.created
            }
        })*
    };
}
impl_row!(charge::Charge, event::Event, intent::Intent, payment_method::PaymentMethod, refund::Refund);

/// Serializes an object and adds the keys that are not among its fields: `keys`, which are computed or constant, and
/// `null_keys`, a space-separated list of those that are always null.
fn extended(object: &impl Serialize, keys: Value, null_keys: &str) -> Value {
    let mut json = json!(object);
    if let (Value::Object(json), Value::Object(keys)) = (&mut json, keys) {
        json.extend(keys);
        json.extend(null_keys.split_whitespace().map(|key| (key.to_owned(), Value::Null)));
    }
    json
}
