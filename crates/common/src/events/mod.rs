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

/// The state of an entity as its events carry it.
pub trait State: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// The names of what can happen to it.
    type Change: Change<State = Self>;
}

/// What happened to an entity.
pub trait Change: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// The state that travels with it.
    type State: State<Change = Self>;
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

/// Every event type that exists.
pub fn catalogue() -> Vec<EventType> {
    fn of<C: Change>() -> impl Iterator<Item = EventType> {
        C::ALL.iter().map(|change| EventType {
            name: change.event_type(),
            entity: C::ENTITY,
            source: C::SOURCE,
            meaning: change.meaning(),
        })
    }
    of::<user::UserChange>()
        .chain(of::<ticket::TicketChange>())
        .chain(of::<order::OrderChange>())
        .chain(of::<payment::PaymentChange>())
        .chain(of::<expiration::ExpirationChange>())
        .collect()
}

/// The JSON Schema of each entity's payload.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    fn of<C: Change>() -> (&'static str, Schema) {
        (C::ENTITY, schemars::schema_for!(C::State))
    }
    vec![
        of::<user::UserChange>(),
        of::<ticket::TicketChange>(),
        of::<order::OrderChange>(),
        of::<payment::PaymentChange>(),
        of::<expiration::ExpirationChange>(),
    ]
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

        impl $crate::events::State for $state {
            type Change = $name;
        }

        impl $crate::events::Change for $name {
            type State = $state;
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
