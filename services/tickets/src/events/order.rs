//! Order events: the listing is reserved for the order, refuses it, is released or is sold.

use common::events::order::OrderState;
use platform::reconcile::Current;
use platform::stream::subscription::{Applied, Delivery, Failure, Subscription};

use crate::domain::reconcile;
use crate::flows::reconcile_ticket::reconcile_ticket;
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::with(state, handle)
}

async fn handle(state: AppState, delivery: Delivery<OrderState>) -> Result<Applied, Failure> {
    let event = &delivery.event;
    let stored = state.orders.put_and_read(event).await?;
    if delivery.is_first(&stored) && !reconcile::can_cause_transition(&stored.entity) {
        return Ok(stored.applied);
    }
    let ticket = reconcile_ticket(&state, event.data.ticket.id, Current::Unread, Some(stored.entity)).await?;
    // A snapshot of an order that still waits for this service means that `orders` missed the listing's event.
    if let Some(ticket) = ticket
        && delivery.has_snapshot()
        && reconcile::orders_missed_decision(&ticket, &event.data)
    {
        state.tickets.announce(&ticket);
    }
    Ok(stored.applied)
}
