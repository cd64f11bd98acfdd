//! The subscription table.

mod expiration;
mod payment;
mod show;
mod ticket;

use platform::stream::subscription::Subscription;

use crate::state::AppState;

/// The service's subscriptions.
pub fn table(state: &AppState) -> Vec<Subscription> {
    vec![
        Subscription::with(state.clone(), ticket::handle),
        Subscription::with(state.clone(), show::handle),
        Subscription::with(state.clone(), payment::handle),
        Subscription::with(state.clone(), expiration::handle),
    ]
}
