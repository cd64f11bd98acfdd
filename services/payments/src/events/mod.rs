//! The subscription table.

mod order;

use platform::stream::subscription::Subscription;

use crate::state::AppState;

/// The service's subscriptions.
pub fn table(state: &AppState) -> Vec<Subscription> {
    vec![Subscription::with(state.clone(), order::handle)]
}
