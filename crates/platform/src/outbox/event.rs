//! An event stored in its aggregate's outbox, waiting to be published.

use common::events::Payload;
use common::events::envelope::Envelope;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::telemetry;

/// An event in the form in which it will be published.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxEvent {
    /// The event's id, sent as `Nats-Msg-Id`.
    pub id: String,
    /// The event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub time: Timestamp,
    /// The CloudEvents document as JSON; immutable.
    pub payload: String,
    /// The trace that caused it.
    pub traceparent: Option<String>,
}

impl OutboxEvent {
    /// Encodes an event and stores the current trace context.
    pub(crate) fn of<D: Payload>(envelope: &Envelope<D>) -> Self {
        Self {
            id: envelope.id.to_string(),
            kind: envelope.kind.clone(),
            time: envelope.time,
            payload: encode(envelope),
            traceparent: telemetry::traceparent(),
        }
    }
}

/// Encoding can't fail: payload types have string keys and no custom serializer that fails.
fn encode<D: Payload>(envelope: &Envelope<D>) -> String {
    if cfg!(feature = "next-release") {
        let mut event = serde_json::to_value(envelope).unwrap_or_default();
        add_fields(&mut event);
        return event.to_string();
    }
    serde_json::to_string(envelope).unwrap_or_default()
}

/// Adds to every object a field that this release does not know, as the next release may do.
fn add_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            fields.insert("addedLater".to_owned(), json!({ "any": ["thing"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_gains_a_field() {
        let mut event = json!({ "data": { "price": { "amount": 1 }, "refusals": [{ "orderId": "o" }] } });
        add_fields(&mut event);
        let added = json!({ "any": ["thing"] });
        let expected = json!({
            "data": {
                "price": { "amount": 1, "addedLater": added },
                "refusals": [{ "orderId": "o", "addedLater": added }],
                "addedLater": added,
            },
            "addedLater": added,
        });
        assert_eq!(event, expected);
    }
}
