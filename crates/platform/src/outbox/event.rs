//! An event stored in its aggregate's outbox, waiting to be published.

use common::events::Payload;
use common::events::envelope::Envelope;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Encodes an event and captures the current trace context.
    pub(crate) fn of<D: Payload>(envelope: &Envelope<D>) -> Self {
        Self {
            id: envelope.id.to_string(),
            kind: envelope.kind.clone(),
            time: envelope.time,
            // Encoding can't fail: payload types have string keys and no custom serializer that fails.
            payload: serde_json::to_string(envelope).unwrap_or_default(),
            traceparent: telemetry::traceparent(),
        }
    }
}
