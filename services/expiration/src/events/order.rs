//! Any event of an order: its timer is set, closed, or fires because it is due.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::reconcile;
use crate::domain::timer::Status;
use crate::flows::reconcile_timer::reconcile_timer;
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::to(move |event| handle(state.clone(), event))
}

async fn handle(state: AppState, event: Envelope<OrderState>) -> Result<Applied, Failure> {
    let applied = state.orders.put_if_newer(&event).await?;
    let Some(timer) = reconcile_timer(&state, event.data.id).await? else { return Ok(applied) };
    if timer.status == Status::Pending {
        // Again with each event of the order: Redis may have lost it meanwhile.
        state.wake_ups.at(timer.expires_at);
    }
    // orders announces an order as open although its time has come: it missed our event.
    if event.is_snapshot() && reconcile::is_peer_behind(&timer, &event.data) {
        state.timers.announce(&timer);
    }
    Ok(applied)
}
