//! A show changed: if it is cancelled, or was merged into one that is, its unpaid orders are cancelled.

use common::events::show::ShowState;
use platform::reconcile::Current;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;
use crate::store;

/// Depends on what the replica has after the event only, so it does the same for a repeated or an old event. An order
/// that is placed meanwhile is reconciled by the request that places it.
pub(super) async fn handle(state: AppState, delivery: Delivery<ShowState>) -> Result<Applied, Failure> {
    let stored = state.shows.put_and_read(&delivery.event).await?;
    let (id, merged_into) = (stored.entity.id, stored.entity.merged_into);
    let show = match merged_into {
        None => Some(stored.entity),
        Some(into) => store::find_show(&state.shows, into).await?,
    };
    if show.is_some_and(|show| reconcile::is_cancelled(&show)) {
        let shows = store::merged_shows(&state.shows, id).await?;
        for order in store::unpaid_of_shows(&state.orders, &shows).await? {
            reconcile_order(&state, order.id, Current::from(order), Seen::default()).await?;
        }
    }
    Ok(stored.applied)
}
