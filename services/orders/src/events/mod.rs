//! The subscription table.

mod expiration;
mod payment;
mod ticket;

use platform::stream::subscription::Subscription;

use crate::state::AppState;

/// Whose events the service takes.
pub fn table(state: &AppState) -> Vec<Subscription> {
    vec![
        ticket::subscription(state.clone()),
        payment::subscription(state.clone()),
        expiration::subscription(state.clone()),
    ]
}
