//! The subscription table.

mod order;

use platform::stream::subscription::Subscription;

use crate::state::State;

/// Whose events the service takes.
pub fn table(state: &State) -> Vec<Subscription> {
    vec![order::subscription(state.clone())]
}
