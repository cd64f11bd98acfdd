//! The events that services exchange: one payload type per entity, one event type per change, one envelope.
//!
//! # Why
//! Every event carries the entity's complete public state at a version, so a consumer needs no history: the event with
//! the highest version wins, whatever its type. Payloads may gain only optional fields; any other change requires a
//! `v2` in addition to `v1`.

pub mod asyncapi;
pub mod envelope;
pub mod expiration;
pub mod order;
pub mod payment;
pub mod show;
pub mod ticket;
pub mod user;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use envelope::Envelope;

/// The public state of an entity, carried by its events.
pub trait Payload: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// The changes of the entity.
    type Change: Change<Payload = Self>;
}

/// A change of an entity, or the snapshot.
pub trait Change: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// The payload of the event.
    type Payload: Payload<Change = Self>;
    /// The entity's name, the first part of every event type: `ticket`.
    const ENTITY: &'static str;
    /// The service that owns the entity, the CloudEvents `source`.
    const SOURCE: &'static str;
    /// The snapshot: the owner publishes the present state again, without a change.
    const SNAPSHOT: Self;
    /// All changes, and the snapshot last.
    const ALL: &'static [Self];
    /// The event types, in the order of [`Change::ALL`].
    const EVENTS: &'static [EventType];
    /// The event type and the end of the subject: `ticket.created.v1`.
    fn event_type(self) -> &'static str;
}

/// All entities with events. The catalogue, the schemas, the AsyncAPI document, the fixture tests and the permissions
/// in NATS are generated from this list.
pub const ENTITIES: [Entity; 6] = [
    Entity::of::<user::UserChange>(),
    Entity::of::<ticket::TicketChange>(),
    Entity::of::<order::OrderChange>(),
    Entity::of::<payment::PaymentChange>(),
    Entity::of::<show::ShowChange>(),
    Entity::of::<expiration::ExpirationChange>(),
];

/// An entity that one service owns and publishes events of.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// The name, such as `ticket`.
    pub name: &'static str,
    /// The publishing service.
    pub source: &'static str,
    /// The event types of the entity.
    pub events: &'static [EventType],
    schema: fn() -> Schema,
    reencode: fn(serde_json::Value) -> serde_json::Result<serde_json::Value>,
}

/// An entry of the catalogue of event types.
#[derive(Debug, Clone, Copy)]
pub struct EventType {
    /// The type, such as `ticket.created.v1`.
    pub name: &'static str,
    /// The entity, such as `ticket`.
    pub entity: &'static str,
    /// The publishing service.
    pub source: &'static str,
    /// The description.
    pub meaning: &'static str,
}

impl Entity {
    const fn of<C: Change>() -> Self {
        fn schema<C: Change>() -> Schema {
            schemars::schema_for!(C::Payload)
        }
        fn reencode<C: Change>(event: serde_json::Value) -> serde_json::Result<serde_json::Value> {
            serde_json::to_value(serde_json::from_value::<Envelope<C::Payload>>(event)?)
        }
        Self { name: C::ENTITY, source: C::SOURCE, events: C::EVENTS, schema: schema::<C>, reencode: reencode::<C> }
    }

    /// The JSON Schema of the payload.
    pub fn schema(self) -> Schema {
        (self.schema)()
    }

    /// Decodes an event as its consumers do, and encodes it again.
    pub fn reencode(self, event: serde_json::Value) -> serde_json::Result<serde_json::Value> {
        (self.reencode)(event)
    }
}

/// All event types.
pub fn catalogue() -> Vec<EventType> {
    ENTITIES.into_iter().flat_map(|entity| entity.events).copied().collect()
}

/// Declares the changes of an entity with their event types and meanings, and adds the snapshot.
macro_rules! changes {
    ($(#[$doc:meta])* $name:ident(entity $entity:literal, source $source:literal, payload $payload:ty) {
        $($variant:ident = $type:literal: $meaning:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)*
            /// The owner publishes the present state again, without a change.
            Snapshot,
        }

        impl $crate::events::Payload for $payload {
            type Change = $name;
        }

        impl $crate::events::Change for $name {
            type Payload = $payload;
            const ENTITY: &'static str = $entity;
            const SOURCE: &'static str = $source;
            const SNAPSHOT: Self = Self::Snapshot;
            const ALL: &'static [Self] = &[$(Self::$variant,)* Self::Snapshot];
            const EVENTS: &'static [$crate::events::EventType] = &[
                $($crate::events::EventType {
                    name: concat!($entity, ".", $type, ".v1"), entity: $entity, source: $source, meaning: $meaning,
                },)*
                $crate::events::EventType {
                    name: concat!($entity, ".snapshot.v1"), entity: $entity, source: $source,
                    meaning: "The owner publishes the present state again, without a change.",
                },
            ];
            fn event_type(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($entity, ".", $type, ".v1"),)*
                    Self::Snapshot => concat!($entity, ".snapshot.v1"),
                }
            }
        }
    };
}
use changes;

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;
    use std::str::FromStr;

    use serde::Serialize;
    use strum::VariantArray;

    use super::Change;
    use super::expiration::ExpirationChange;
    use super::order::{CancelReason, OrderChange, OrderStatus};
    use super::payment::{PaymentChange, PaymentStatus};
    use super::show::{ShowChange, ShowStatus};
    use super::ticket::{Category, RefusalReason, TicketChange, TicketStatus};
    use super::user::UserChange;

    /// Asserts that JSON, `AsRef<str>` and `FromStr` use the same text for each variant.
    pub(crate) fn assert_one_text_form<E>()
    where
        E: VariantArray + Copy + Debug + PartialEq + Serialize + FromStr<Err: Debug> + AsRef<str>,
    {
        for value in E::VARIANTS {
            let name: &str = value.as_ref();
            assert_eq!(serde_json::to_value(value).unwrap(), name, "{value:?}");
            assert_eq!(name.parse::<E>().unwrap(), *value);
        }
    }

    fn assert_one_snapshot<C: Change + PartialEq>() {
        assert_eq!(C::SNAPSHOT.event_type(), format!("{}.snapshot.v1", C::ENTITY));
        assert_eq!(C::ALL.iter().filter(|change| change.event_type().contains("snapshot")).count(), 1);
        assert!(C::ALL.last() == Some(&C::SNAPSHOT));
    }

    #[test]
    fn snapshot_has_an_event_type_of_its_own() {
        assert_one_snapshot::<UserChange>();
        assert_one_snapshot::<TicketChange>();
        assert_one_snapshot::<OrderChange>();
        assert_one_snapshot::<PaymentChange>();
        assert_one_snapshot::<ShowChange>();
        assert_one_snapshot::<ExpirationChange>();
    }

    #[test]
    fn enums_have_one_text_form() {
        assert_one_text_form::<TicketStatus>();
        assert_one_text_form::<Category>();
        assert_one_text_form::<RefusalReason>();
        assert_one_text_form::<OrderStatus>();
        assert_one_text_form::<CancelReason>();
        assert_one_text_form::<PaymentStatus>();
        assert_one_text_form::<ShowStatus>();
        let mut declined = PaymentStatus::VARIANTS.to_vec();
        declined.retain(|status| !PaymentStatus::NOT_DECLINED.contains(status));
        assert_eq!(declined, [PaymentStatus::Declined]);
    }
}
