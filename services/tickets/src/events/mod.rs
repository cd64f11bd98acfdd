//! The subscription table.

mod order;
mod show;

use platform::stream::subscription::Subscription;

use crate::state::AppState;

pub(crate) fn table(state: &AppState) -> Vec<Subscription> {
    vec![order::subscription(state.clone()), show::subscription(state.clone())]
}
