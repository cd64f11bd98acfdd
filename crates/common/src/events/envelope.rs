//! CloudEvents 1.0 in JSON, as events travel.

use serde::{Deserialize, Serialize};

use super::{Change, Payload};
use crate::id::EventId;
use crate::timestamp::Timestamp;

/// One event. `D` is an entity's state, or `serde_json::Value` where only the envelope matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<D> {
    /// `1.0`.
    pub specversion: String,
    /// Unique; the same id always has the same payload.
    pub id: EventId,
    /// The publishing service.
    pub source: String,
    /// `ticket.created.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The entity's id.
    pub subject: String,
    /// When it happened, by the publisher's clock.
    pub time: Timestamp,
    /// `application/json`.
    pub datacontenttype: String,
    /// The entity's version that `data` is; 0 at creation.
    pub entityversion: u64,
    /// The entity's state.
    pub data: D,
}

impl<D: Payload> Envelope<D> {
    /// A new event, with an id of its own.
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
            data,
        }
    }

    /// Whether this announces a state again instead of telling of a change.
    pub fn is_snapshot(&self) -> bool {
        self.kind == D::Change::SNAPSHOT.event_type()
    }
}
