//! Adds to an object's JSON the keys that are not among its fields.

use serde::Serialize;
use serde_json::{Value, json};

/// Serializes an object and adds the keys that are not among its fields: `keys`, which are computed or constant, and
/// `null_keys`, a space-separated list of those that are always null.
pub(super) fn extended(object: &impl Serialize, keys: Value, null_keys: &str) -> Value {
    let mut json = json!(object);
    if let (Value::Object(json), Value::Object(keys)) = (&mut json, keys) {
        json.extend(keys);
        json.extend(null_keys.split_whitespace().map(|key| (key.to_owned(), Value::Null)));
    }
    json
}
