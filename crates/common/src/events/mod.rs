//! The events that services exchange: one payload per entity, a change name per version, one envelope.
//!
//! # Why
//! Every event of an entity carries the entity's whole state at that version (what others may know),
//! so a consumer needs no history: the newest event wins, whichever name it bears. A payload changes
//! only by adding optional fields; anything else is a `v2` beside `v1`.

pub mod asyncapi;
pub mod envelope;
pub mod expiration;
pub mod order;
pub mod payment;
pub mod ticket;
pub mod user;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use envelope::Envelope;

/// The state of an entity as its events carry it.
pub trait Payload: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// The names of what can happen to it.
    type Change: Change<Payload = Self>;
}

/// What happened to an entity.
pub trait Change: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// The state that travels with it.
    type Payload: Payload<Change = Self>;
    /// The entity's name, the first part of every event type: `ticket`.
    const ENTITY: &'static str;
    /// The service that owns the entity, the CloudEvents `source`.
    const SOURCE: &'static str;
    /// The owner's announcement of a present state, published again without a change.
    const SNAPSHOT: Self;
    /// Everything that can happen to it.
    const ALL: &'static [Self];
    /// The event type and the tail of the subject: `ticket.created.v1`.
    fn event_type(self) -> &'static str;
    /// What it means, for the contract.
    fn meaning(self) -> &'static str;
}

/// Every entity that events are about. The catalogue, the schemas, the AsyncAPI document, the tests of the fixtures and
/// the permissions in NATS are made from this list.
pub const ENTITIES: [Entity; 5] = [
    Entity::of::<user::UserChange>(),
    Entity::of::<ticket::TicketChange>(),
    Entity::of::<order::OrderChange>(),
    Entity::of::<payment::PaymentChange>(),
    Entity::of::<expiration::ExpirationChange>(),
];

/// An entity that one service owns and tells the others about.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// `ticket`.
    pub name: &'static str,
    /// The publishing service.
    pub source: &'static str,
    events: fn() -> Vec<EventType>,
    schema: fn() -> Schema,
    reencode: fn(serde_json::Value) -> serde_json::Result<serde_json::Value>,
}

/// One line of the catalogue of all events.
#[derive(Debug, Clone)]
pub struct EventType {
    /// `ticket.created.v1`.
    pub name: &'static str,
    /// `ticket`.
    pub entity: &'static str,
    /// The publishing service.
    pub source: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Entity {
    const fn of<C: Change>() -> Self {
        fn events<C: Change>() -> Vec<EventType> {
            let event = |change: &C| EventType {
                name: change.event_type(),
                entity: C::ENTITY,
                source: C::SOURCE,
                meaning: change.meaning(),
            };
            C::ALL.iter().map(event).collect()
        }
        fn schema<C: Change>() -> Schema {
            schemars::schema_for!(C::Payload)
        }
        fn reencode<C: Change>(event: serde_json::Value) -> serde_json::Result<serde_json::Value> {
            serde_json::to_value(serde_json::from_value::<Envelope<C::Payload>>(event)?)
        }
        Self { name: C::ENTITY, source: C::SOURCE, events: events::<C>, schema: schema::<C>, reencode: reencode::<C> }
    }

    /// The event types of the entity.
    pub fn events(self) -> Vec<EventType> {
        (self.events)()
    }

    /// The JSON Schema of the payload.
    pub fn schema(self) -> Schema {
        (self.schema)()
    }

    /// Decodes an event as its consumers do and encodes it again.
    pub fn reencode(self, event: serde_json::Value) -> serde_json::Result<serde_json::Value> {
        (self.reencode)(event)
    }
}

/// Every event type that exists.
pub fn catalogue() -> Vec<EventType> {
    ENTITIES.into_iter().flat_map(Entity::events).collect()
}

/// Declares what can happen to an entity: names, types and meanings, with a snapshot as the last.
macro_rules! changes {
    ($(#[$doc:meta])* $name:ident of $entity:literal by $source:literal with $state:ty {
        $($variant:ident = $type:literal: $meaning:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)*
            /// The owner announces the present state again.
            Snapshot,
        }

        impl $crate::events::Payload for $state {
            type Change = $name;
        }

        impl $crate::events::Change for $name {
            type Payload = $state;
            const ENTITY: &'static str = $entity;
            const SOURCE: &'static str = $source;
            const SNAPSHOT: Self = Self::Snapshot;
            const ALL: &'static [Self] = &[$(Self::$variant,)* Self::Snapshot];
            fn event_type(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($entity, ".", $type, ".v1"),)*
                    Self::Snapshot => concat!($entity, ".snapshot.v1"),
                }
            }
            fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                    Self::Snapshot => "The owner announces the present state again.",
                }
            }
        }
    };
}
use changes;

/// Declares an enum of unit variants that has one text form, the variant's name in camelCase. JSON, JSON Schema,
/// `OpenAPI`, `AsRef<str>` and `FromStr` all use it.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[derive(schemars::JsonSchema, utoipa::ToSchema, strum::AsRefStr, strum::EnumString, strum::VariantArray)]
        #[serde(rename_all = "camelCase")]
        #[strum(serialize_all = "camelCase")]
        #[schemars(inline)]
        $(#[$doc])*
        pub enum $name {
            $($(#[$meaning])* $variant,)*
        }
    };
}
pub(crate) use text_enum;

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
    use super::ticket::{Category, RefusalReason, TicketChange, TicketStatus};
    use super::user::UserChange;

    /// Fails the test unless JSON, queries and parsing call each value the same.
    pub(crate) fn are_named_alike<E>()
    where
        E: VariantArray + Copy + Debug + PartialEq + Serialize + FromStr<Err: Debug> + AsRef<str>,
    {
        for value in E::VARIANTS {
            let name: &str = value.as_ref();
            assert_eq!(serde_json::to_value(value).unwrap(), name, "{value:?}");
            assert_eq!(name.parse::<E>().unwrap(), *value);
        }
    }

    fn has_a_snapshot<C: Change + PartialEq>() {
        assert_eq!(C::SNAPSHOT.event_type(), format!("{}.snapshot.v1", C::ENTITY));
        assert_eq!(C::ALL.iter().filter(|change| change.event_type().contains("snapshot")).count(), 1);
        assert!(C::ALL.last() == Some(&C::SNAPSHOT));
    }

    #[test]
    fn a_snapshot_is_told_from_a_change_by_its_name() {
        has_a_snapshot::<UserChange>();
        has_a_snapshot::<TicketChange>();
        has_a_snapshot::<OrderChange>();
        has_a_snapshot::<PaymentChange>();
        has_a_snapshot::<ExpirationChange>();
    }

    #[test]
    fn queries_and_documents_name_a_variant_alike() {
        are_named_alike::<TicketStatus>();
        are_named_alike::<Category>();
        are_named_alike::<RefusalReason>();
        are_named_alike::<OrderStatus>();
        are_named_alike::<CancelReason>();
        are_named_alike::<PaymentStatus>();
        let mut declined = PaymentStatus::VARIANTS.to_vec();
        declined.retain(|status| !PaymentStatus::NOT_DECLINED.contains(status));
        assert_eq!(declined, [PaymentStatus::Declined]);
    }
}
