//! Entities for the tests of the checks.

use serde_json::Value;

use super::entity::Entity;

/// An entity at version 1.
pub(crate) fn entity(id: &str, state: Value) -> Entity {
    Entity { id: id.to_owned(), version: 1, state, unpublished: 0, idempotency_key: None }
}
