//! What services keep: entities with versions.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::events::Payload;

/// An entity that a service owns and keeps in a store.
pub trait Aggregate: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// What others may know of it.
    type Payload: Payload;
    /// The collection's name.
    const COLLECTION: &'static str;
    /// The document's `_id`.
    fn id(&self) -> String;
    /// What its events carry.
    fn payload(&self) -> Self::Payload;
    /// Whether it changes no more, so that one more announcement is enough.
    fn is_final(&self) -> bool;
    /// Whether its present state is for others to know. One that is not is never announced: not
    /// by anti-entropy, not on demand, not by a resync.
    fn is_announced(&self) -> bool {
        true
    }
}

/// What happened to an aggregate.
pub type ChangeOf<A> = <<A as Aggregate>::Payload as Payload>::Change;

/// An aggregate at one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<A> {
    /// 0 at creation, one more with each change.
    pub version: u64,
    /// The aggregate.
    pub state: A,
}

impl<A> std::ops::Deref for Versioned<A> {
    type Target = A;
    fn deref(&self) -> &A {
        &self.state
    }
}
