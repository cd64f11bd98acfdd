//! Stored objects, and their JSON with every key of Stripe's fixtures.

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

/// The serialized fields of an object, which have Stripe's names, together with computed and constant keys, and with
/// the keys that are always null, separated by spaces.
fn extended(object: &impl Serialize, keys: Value, null_keys: &str) -> Value {
    let mut json = json!(object);
    if let (Value::Object(json), Value::Object(keys)) = (&mut json, keys) {
        json.extend(keys);
        json.extend(null_keys.split_whitespace().map(|key| (key.to_owned(), Value::Null)));
    }
    json
}
