//! Handles the events of payments: authorises or completes the order, or cancels it because the capture failed.

use common::events::payment::PaymentState;
use platform::reconcile::Current;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;

pub(super) async fn handle(state: AppState, delivery: Delivery<PaymentState>) -> Result<Applied, Failure> {
    let event = &delivery.event;
    let stored = state.payments.put_and_read(event).await?;
    if delivery.is_first(&stored) && !reconcile::payment_can_cause_transition(&stored.entity) {
        return Ok(stored.applied);
    }
    let seen = Seen { payment: Some(stored.entity), ..Seen::default() };
    let order = reconcile_order(&state, event.data.order_id, Current::Unread, seen).await?;
    // `payments` also publishes a snapshot because it waits for the order's decision. If the order was authorised or
    // cancelled but the payment's status is not final yet, `payments` has missed the order's event, so a snapshot of
    // the order is published.
    if let Some(order) = order
        && delivery.has_snapshot()
        && reconcile::payments_missed_decision(&order, &event.data)
    {
        state.orders.announce(&order);
    }
    Ok(stored.applied)
}
