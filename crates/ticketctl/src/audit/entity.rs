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

/// Where the aggregates of an entity are stored: the owner's database (named like the service), the collection, and the
/// name of the entity (`order`).
pub type Owned = (&'static str, &'static str, &'static str);

/// The entities that other services replicate: all except timers.
pub const REPLICATED_ENTITIES: [Owned; 5] = {
    let [user, ticket, order, payment, show, _timer] = ENTITIES;
    [
        (user.source, "users", user.name),
        (ticket.source, "tickets", ticket.name),
        (order.source, "orders", order.name),
        (payment.source, "payments", payment.name),
        (show.source, "shows", show.name),
    ]
};

/// The services that own replicated entities, each once.
pub(crate) fn owners() -> BTreeSet<&'static str> {
    REPLICATED_ENTITIES.into_iter().map(|(owner, ..)| owner).collect()
}

/// The timers, which no service replicates. The name differs from that of their events' entity, `expiration`.
pub const TIMERS: Owned = {
    let [.., timer] = ENTITIES;
    (timer.source, "timers", "timer")
};

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
        for (_, collection, entity) in REPLICATED_ENTITIES.into_iter().chain([TIMERS]) {
            assert_eq!(collection, format!("{entity}s"));
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
