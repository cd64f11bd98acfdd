//! The `Event`: a change, with the object as it was then.

use serde_json::{Value, json};

/// The Stripe API version whose response schemas are emulated.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) kind: String,
    pub(crate) object: Value,
    pub(crate) pending_webhooks: u32,
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

pub(crate) fn render(event: &Event) -> Value {
    json!({
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": event.created,
        "data": { "object": event.object },
        "livemode": false,
        "pending_webhooks": event.pending_webhooks,
        "request": { "id": event.request_id, "idempotency_key": event.idempotency_key },
        "type": event.kind,
    })
}
