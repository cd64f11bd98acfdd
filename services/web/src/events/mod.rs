//! The subscription table. Each handler only keeps what it is told, since pages join what they show:
//! one function serves them all.

use common::events::State as Entity;
use common::events::envelope::Envelope;
use platform::store::replica::Replica;
use platform::stream::subscription::Subscription;

use crate::state::State;

/// Whose events the service takes.
pub fn table(state: &State) -> Vec<Subscription> {
    vec![keep(&state.users), keep(&state.tickets), keep(&state.orders), keep(&state.payments)]
}

fn keep<S: Entity>(replica: &Replica<S>) -> Subscription {
    let replica = replica.clone();
    Subscription::to(move |event: Envelope<S>| {
        let replica = replica.clone();
        async move { Ok(replica.put_if_newer(&event).await?) }
    })
}
