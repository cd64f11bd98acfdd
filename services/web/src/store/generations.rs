//! Names and indexes of the read model's collections: one collection for each entity and generation. A rebuild of the
//! read model fills a new generation, which then replaces the live one; see [`model`](super::model).

use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use common::events::{Change, Payload};
use mongodb::IndexModel;

use super::{lists, searchable};

/// The entities of the read model, with the indexes of their collections.
pub(super) fn collections() -> [(&'static str, Vec<IndexModel>); 4] {
    fn entity<S: Payload>() -> &'static str {
        S::Change::ENTITY
    }
    [
        (entity::<UserState>(), searchable::user_indexes()),
        (entity::<TicketState>(), [searchable::ticket_indexes(), lists::ticket_indexes()].concat()),
        (entity::<OrderState>(), lists::order_indexes()),
        (entity::<PaymentState>(), lists::payment_indexes()),
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
