//! The stored form of aggregates and replicas, and where the aggregates of each entity are stored.

use std::collections::BTreeSet;
use std::str::FromStr;

use common::events::ENTITIES;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A stored aggregate or replica. It may be a projection, which contains only some fields of `state`.
#[derive(Debug, Clone, Deserialize)]
pub struct Entity {
    /// The `_id` of the document.
    #[serde(rename = "_id")]
    pub id: String,
    /// The version of the entity.
    pub version: u64,
    /// The state of the aggregate; for a replica, the payload of the newest event that it has received. Null if the
    /// projection excludes it.
    #[serde(default)]
    pub state: Value,
    /// Number of events in the outbox; 0 if the projection excludes it.
    #[serde(default, rename = "outbox", deserialize_with = "count")]
    pub unpublished: usize,
    /// The idempotency key of the request that created the entity; `None` unless the key's claim was read too.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// Deserialises an array as the number of its elements.
fn count<'de, D: Deserializer<'de>>(outbox: D) -> Result<usize, D::Error> {
    Ok(Vec::<IgnoredAny>::deserialize(outbox)?.len())
}

impl Entity {
    /// The text at `state.status.name`; empty if there is none.
    pub fn status_name(&self) -> &str {
        text(&self.state["status"]["name"])
    }

    /// The status, parsed as the enum `S`; `None` if it is no variant of `S`.
    pub fn status<S: FromStr>(&self) -> Option<S> {
        self.status_name().parse().ok()
    }
}

/// A kind of entity, and where its aggregates are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityKind {
    /// The service that owns the entities. Its database has the same name.
    pub service: &'static str,
    /// The collection of the aggregates.
    pub collection: &'static str,
    /// The name of the entity, such as `order`.
    pub entity: &'static str,
}

/// The users.
pub const USERS: EntityKind = {
    let [user, ..] = ENTITIES;
    EntityKind { service: user.source, collection: "users", entity: user.name }
};
/// The tickets.
pub const TICKETS: EntityKind = {
    let [_, ticket, ..] = ENTITIES;
    EntityKind { service: ticket.source, collection: "tickets", entity: ticket.name }
};
/// The orders.
pub const ORDERS: EntityKind = {
    let [_, _, order, ..] = ENTITIES;
    EntityKind { service: order.source, collection: "orders", entity: order.name }
};
/// The payments.
pub const PAYMENTS: EntityKind = {
    let [_, _, _, payment, ..] = ENTITIES;
    EntityKind { service: payment.source, collection: "payments", entity: payment.name }
};
/// The shows.
pub const SHOWS: EntityKind = {
    let [_, _, _, _, show, _] = ENTITIES;
    EntityKind { service: show.source, collection: "shows", entity: show.name }
};
/// The timers, which no service replicates. The name differs from that of their events' entity, `expiration`.
pub const TIMERS: EntityKind = {
    let [.., timer] = ENTITIES;
    EntityKind { service: timer.source, collection: "timers", entity: "timer" }
};

/// The entities that other services replicate: all except timers.
pub const REPLICATED_ENTITIES: [EntityKind; 5] = [USERS, TICKETS, ORDERS, PAYMENTS, SHOWS];

/// The services that own replicated entities, each once.
pub(crate) fn owners() -> BTreeSet<&'static str> {
    REPLICATED_ENTITIES.into_iter().map(|kind| kind.service).collect()
}

/// The string; empty if the value is not a string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{deserialize_from_slice, doc, serialize_to_vec};
    use serde_json::json;

    use super::*;

    #[test]
    fn collections_are_named_after_their_entity() {
        for kind in REPLICATED_ENTITIES.into_iter().chain([TIMERS]) {
            assert_eq!(kind.collection, format!("{}s", kind.entity));
        }
    }

    #[test]
    fn document_and_projection_of_it_can_be_read() {
        let document = doc! {
            "_id": "1", "version": 3_i64, "state": { "status": { "name": "sold" }, "price": { "amount": 5_i64 } },
            "outbox": [{ "id": "e" }, { "id": "f" }],
        };
        let entity: Entity = deserialize_from_slice(&serialize_to_vec(&document).unwrap()).unwrap();
        assert_eq!((entity.id.as_str(), entity.version, entity.unpublished), ("1", 3, 2));
        assert_eq!(entity.state, json!({ "status": { "name": "sold" }, "price": { "amount": 5 } }));
        assert_eq!(entity.status_name(), "sold");
        let projected = doc! { "_id": "1", "version": 3_i32 };
        let entity: Entity = deserialize_from_slice(&serialize_to_vec(&projected).unwrap()).unwrap();
        assert_eq!((entity.version, entity.state, entity.unpublished), (3, Value::Null, 0));
    }
}
