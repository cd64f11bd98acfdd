//! Order events: the timer of the order is created, rescheduled, closed, opened again, or fired if it is due.

use common::events::order::OrderState;
use platform::reconcile::Current;
use platform::stream::subscription::{Applied, Delivery, Failure, Subscription};

use crate::domain::reconcile;
use crate::domain::timer::Status;
use crate::flows::reconcile_timer::{Reconciled, reconcile_timer};
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::with(state, handle)
}

async fn handle(state: AppState, delivery: Delivery<OrderState>) -> Result<Applied, Failure> {
    let (order, is_snapshot) = (&delivery.event.data, delivery.has_snapshot());
    // The first event of an order usually comes before its timer. If not, the insert fails and the timer is read.
    let known = if delivery.event.entityversion == 0 && !is_snapshot { Current::Read(None) } else { Current::Unread };
    let Reconciled { timer, applied } = reconcile_timer(&state, order, is_snapshot, known).await?;
    let Some(timer) = timer else { return Ok(applied) };
    if timer.status == Status::Pending {
        // Requested on every event of the order: Redis may have lost the earlier request.
        state.wake_ups.request(timer.expires_at);
    }
    // A snapshot of an order that can still expire after its timer fired means that `orders` missed the timer's event.
    if is_snapshot && reconcile::orders_missed_expiry(&timer, order) {
        state.timers.announce(&timer);
    }
    Ok(applied)
}
