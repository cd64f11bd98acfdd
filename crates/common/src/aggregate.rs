//! Aggregates: the versioned entities that a service stores.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::events::Payload;

/// The path of the field by which a collection is distributed once it needs more than one shard, such as
/// `state.orderId`.
///
/// # Why
/// A unique index holds within one shard only, unless it begins with the shard key. So the shard key limits which
/// unique indexes are possible, and is chosen with the first of them, long before there are shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardKey(pub &'static str);

impl ShardKey {
    /// The document's `_id`.
    pub const ID: Self = Self("_id");
}

/// An entity that a service owns and stores.
pub trait Aggregate: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// The public projection of the aggregate, which its events carry.
    type Payload: Payload;
    /// The collection's name.
    const COLLECTION: &'static str;
    /// The collection's shard key.
    const SHARD_KEY: ShardKey = ShardKey::ID;
    /// The settled statuses, by their stored name in `state.status.name`, that a command can still change, such as a
    /// listing that is for sale. The scan, which slowly publishes snapshots of all entities, treats them like statuses
    /// that are not settled.
    const CHANGEABLE_STATUSES: &'static [&'static str] = &[];
    /// The document's `_id`.
    fn id(&self) -> String;
    /// The payload of an event at this state.
    fn payload(&self) -> Self::Payload;
    /// The change that is published if this state is raised, which means written again at a higher version after a
    /// restore. It is the one that usually leads to this state.
    fn present_change(&self) -> ChangeOf<Self>;
    /// The aggregate that has this payload. `None` if payloads do not contain its whole state, so that a replica can't
    /// restore it.
    fn from_payload(_payload: Self::Payload) -> Option<Self> {
        None
    }
    /// Whether the owner has changed this state after `replicated`, a state from replicas, or has ended it: then
    /// `replicated` must not replace it. Called only for aggregates with [`Aggregate::from_payload`].
    fn is_changed_since(&self, _replicated: &Self) -> bool {
        false
    }
    /// Whether `replicated`, a state from replicas, has another value of an immutable field, such as an order's buyer.
    /// Called only for aggregates with [`Aggregate::from_payload`].
    fn contradicts(&self, _replicated: &Self) -> bool {
        false
    }
    /// Whether nothing in progress will change the entity; a command still may. An unchanged state is announced
    /// (published as a snapshot) at growing intervals, for consumers that missed its event; a settled state only once.
    fn is_settled(&self) -> bool;
    /// Whether the current state may be announced. If not, the announcer, the scan and resyncs skip it.
    fn is_announced(&self) -> bool {
        true
    }
}

/// The changes of an aggregate.
pub type ChangeOf<A> = <<A as Aggregate>::Payload as Payload>::Change;

/// An aggregate at one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<A> {
    /// 0 at creation; incremented by each change.
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
