//! An event on its way from the document that it was written with to the stream.

use common::events::Payload;
use common::events::envelope::Envelope;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::telemetry;

/// An event that is yet to be published, as it will be published.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxEvent {
    /// The event's id, `Nats-Msg-Id`.
    pub id: String,
    /// The event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub time: Timestamp,
    /// The CloudEvents document, fixed once and for all.
    pub payload: String,
    /// The trace that caused it.
    pub traceparent: Option<String>,
}

impl OutboxEvent {
    /// The event as it will be published, with the trace that this is part of.
    pub(crate) fn of<D: Payload>(envelope: &Envelope<D>) -> Self {
        Self {
            id: envelope.id.to_string(),
            kind: envelope.kind.clone(),
            time: envelope.time,
            // Our own types have string keys and no failing serialisers.
            payload: serde_json::to_string(envelope).unwrap_or_default(),
            traceparent: telemetry::traceparent(),
        }
    }
}
