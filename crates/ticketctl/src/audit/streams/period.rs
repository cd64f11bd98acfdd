//! Reads the change events of a period, for commands that look at single entities.

use std::num::NonZeroU32;
use std::ops::Range;

use anyhow::Result;
use common::timestamp::Timestamp;
use serde_json::Value;

use super::DEFAULT_USER;
use super::log::Log;
use crate::audit::entity::EntityKind;
use crate::audit::join::ReadRateLimit;
use crate::fleet::FleetArgs;
use crate::streams::{connect, user_of};

/// Maximum number of events that are read in a second.
const RATE: NonZeroU32 = match NonZeroU32::new(80_000) {
    Some(rate) => rate,
    None => NonZeroU32::MIN,
};

/// A change event of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChangeEvent {
    /// The name of the entity, such as `order`.
    pub(crate) entity: &'static str,
    /// The id of the event.
    pub(crate) id: String,
    /// The event type, such as `order.created.v1`.
    pub(crate) kind: String,
    /// The id of the entity.
    pub(crate) subject: String,
    /// When the change was made, by the clock of the owner.
    pub(crate) time: String,
    /// The version of the entity.
    pub(crate) version: u64,
    /// The payload.
    pub(crate) data: Value,
}

/// Passes the change events of these kinds of entities that were published in a period to `each`, one kind after the
/// other, in the order in which they were published.
pub(crate) async fn read_period(
    fleet: &FleetArgs,
    kinds: &[EntityKind],
    period: &Range<Timestamp>,
    mut each: impl FnMut(ChangeEvent),
) -> Result<()> {
    let jetstream = connect(fleet).await?;
    let consumer = user_of(fleet).unwrap_or_else(|| DEFAULT_USER.to_owned());
    let mut rate_limit = ReadRateLimit::new(RATE);
    for kind in kinds {
        let mut log = Log::open(&jetstream, &fleet.nats_prefix, *kind).await?;
        log.limit_to(period).await?;
        let read = log.read(&consumer, &mut rate_limit, |_, event| {
            each(ChangeEvent {
                entity: kind.entity,
                id: event.id,
                kind: event.kind,
                subject: event.subject,
                time: event.time,
                version: event.version,
                data: event.data,
            });
        });
        read.await?;
    }
    Ok(())
}
