//! The generations of the read model, and the names and indexes of their collections: one collection for each entity
//! and generation. A rebuild of the read model fills a new generation, which then replaces the live one; see
//! [`model`](super::model).

use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use common::events::{Change, Payload};
use mongodb::IndexModel;
use serde::{Deserialize, Serialize};

use super::{lists, searchable};

/// The generations that exist. A number is never reused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Generations {
    /// Incremented by every change of this document.
    #[serde(rename = "changes")]
    pub(super) revision: i64,
    /// The highest number ever used.
    #[serde(rename = "last")]
    pub(super) highest: i64,
    pub(super) live: i64,
    /// The generation that a rebuild fills.
    pub(super) filling: Option<i64>,
    /// The generations that are to be dropped.
    pub(super) retired: Vec<i64>,
}

impl Generations {
    pub(super) fn retired_and(&self, generation: i64) -> Vec<i64> {
        self.retired.iter().copied().chain([generation]).collect()
    }
}

/// The entities of the read model, with the indexes of their collections.
pub(super) fn collections() -> [(&'static str, Vec<IndexModel>); 5] {
    fn entity<S: Payload>() -> &'static str {
        S::Change::ENTITY
    }
    [
        (entity::<UserState>(), searchable::user_indexes()),
        (entity::<TicketState>(), [searchable::ticket_indexes(), lists::ticket_indexes()].concat()),
        (entity::<OrderState>(), lists::order_indexes()),
        (entity::<PaymentState>(), lists::payment_indexes()),
        (entity::<ShowState>(), searchable::show_indexes()),
    ]
}

/// `replica_ticket` for generation 0, `replica_ticket_v2` for generation 2.
pub(super) fn collection_name(entity: &str, generation: i64) -> String {
    if generation == 0 { format!("replica_{entity}") } else { format!("replica_{entity}_v{generation}") }
}

/// The generation that a collection belongs to; `None` when it is not part of the read model.
pub(super) fn generation_of(collection: &str) -> Option<i64> {
    let (entity, generation) = match collection.strip_prefix("replica_")?.rsplit_once("_v") {
        Some((entity, generation)) => (entity, generation.parse().ok()?),
        None => (collection.strip_prefix("replica_")?, 0),
    };
    collections().iter().any(|(known, _)| *known == entity).then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collection_name_round_trips() {
        for (entity, _) in collections() {
            for generation in [0, 1, 12] {
                assert_eq!(generation_of(&collection_name(entity, generation)), Some(generation), "{entity}");
            }
        }
        for other in ["watches", "replica_timer", "replica_timer_v1", "replica_ticket_vx", "read_model", "ticket_v1"] {
            assert_eq!(generation_of(other), None, "{other}");
        }
    }
}
