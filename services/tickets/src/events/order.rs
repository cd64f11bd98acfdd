//! Any event of an order: the listing reserves, refuses, releases or sells.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::reconcile;
use crate::flows::reconcile_ticket::reconcile_ticket;
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::to(move |event| handle(state.clone(), event))
}

async fn handle(state: AppState, event: Envelope<OrderState>) -> Result<Applied, Failure> {
    let applied = state.orders.put_if_newer(&event).await?;
    let ticket = reconcile_ticket(&state, event.data.ticket.id).await?;
    // orders announces an order that waits for us although we have decided: it missed our event.
    if let Some(ticket) = ticket
        && event.is_snapshot()
        && reconcile::is_peer_behind(&ticket, &event.data)
    {
        state.tickets.announce(&ticket);
    }
    Ok(applied)
}
