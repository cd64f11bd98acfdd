//! The collections of the read model: one for each kind of entity and generation.

use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use common::events::{Change, Payload};
use mongodb::IndexModel;

use super::{findable, lists, order_indexes, payment_indexes};

/// What the read model consists of.
pub(super) fn entities() -> [(&'static str, Vec<IndexModel>); 4] {
    fn entity<S: Payload>() -> &'static str {
        S::Change::ENTITY
    }
    [
        (entity::<UserState>(), findable::user_indexes()),
        (entity::<TicketState>(), [findable::ticket_indexes(), lists::ticket_indexes()].concat()),
        (entity::<OrderState>(), [order_indexes(), lists::order_indexes()].concat()),
        (entity::<PaymentState>(), payment_indexes()),
    ]
}

/// `replica_ticket`, and `replica_ticket_v2` since it was rebuilt twice.
pub(super) fn name(entity: &str, generation: i64) -> String {
    if generation == 0 { format!("replica_{entity}") } else { format!("replica_{entity}_v{generation}") }
}

/// Of which generation the collection with this name is, if it is one of the read model.
pub(super) fn generation_of(collection: &str) -> Option<i64> {
    let (entity, generation) = match collection.strip_prefix("replica_")?.rsplit_once("_v") {
        Some((entity, generation)) => (entity, generation.parse().ok()?),
        None => (collection.strip_prefix("replica_")?, 0),
    };
    entities().iter().any(|(known, _)| *known == entity).then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collections_name_tells_its_generation() {
        for (entity, _) in entities() {
            for generation in [0, 1, 12] {
                assert_eq!(generation_of(&name(entity, generation)), Some(generation), "{entity}");
            }
        }
        for other in ["watches", "replica_timer", "replica_timer_v1", "replica_ticket_vx", "read_model", "ticket_v1"] {
            assert_eq!(generation_of(other), None, "{other}");
        }
    }
}
