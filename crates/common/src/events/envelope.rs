//! The CloudEvents 1.0 JSON envelope of events.

use serde::{Deserialize, Serialize};

use super::{Change, Payload};
use crate::id::EventId;
use crate::timestamp::Timestamp;

/// An event. `D` is the payload, or `serde_json::Value` where only the envelope matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<D> {
    /// The CloudEvents version: `1.0`.
    pub specversion: String,
    /// The unique event id; the same id always has the same payload.
    pub id: EventId,
    /// The publishing service.
    pub source: String,
    /// The event type, such as `ticket.created.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The entity's id.
    pub subject: String,
    /// When the event occurred, by the publisher's clock.
    pub time: Timestamp,
    /// The media type of `data`: `application/json`.
    pub datacontenttype: String,
    /// The version of the entity in `data`; 0 at creation.
    pub entityversion: u64,
    /// Whether a raise wrote the entity again, because its owner's database was restored to an earlier moment than its
    /// replicas. Such an event may follow any status. An extension attribute of CloudEvents, absent unless true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raised: bool,
    /// The entity's payload at this version.
    pub data: D,
}

impl<D: Payload> Envelope<D> {
    /// A new event with a new id.
    pub fn new(change: D::Change, subject: String, version: u64, time: Timestamp, data: D) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: EventId::new(),
            source: D::Change::SOURCE.to_owned(),
            kind: change.event_type().to_owned(),
            subject,
            time,
            datacontenttype: "application/json".to_owned(),
            entityversion: version,
            raised: false,
            data,
        }
    }

    /// Whether this is a snapshot: an event that publishes the present payload again without a change.
    pub fn is_snapshot(&self) -> bool {
        self.kind == D::Change::SNAPSHOT.event_type()
    }
}
