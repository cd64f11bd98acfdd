//! Order events: the timer of the order is created, rescheduled, closed, or fired if it is due.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::reconcile;
use crate::domain::timer::Status;
use crate::flows::reconcile_timer::reconcile_timer;
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::with(state, handle)
}

async fn handle(state: AppState, event: Envelope<OrderState>) -> Result<Applied, Failure> {
    let applied = state.orders.put_if_newer(&event).await?;
    let Some(timer) = reconcile_timer(&state, event.data.id).await? else { return Ok(applied) };
    if timer.status == Status::Pending {
        // Requested on every event of the order: Redis may have lost the earlier request.
        state.wake_ups.request(timer.expires_at);
    }
    // A snapshot of an order that can still expire after its timer fired means that `orders` missed the timer's event.
    if event.is_snapshot() && reconcile::orders_missed_expiry(&timer, &event.data) {
        state.timers.announce(&timer);
    }
    Ok(applied)
}
