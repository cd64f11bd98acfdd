//! Any event of a listing: the order that waits for it is confirmed or refused.

use common::aggregate::Aggregate;
use common::events::envelope::Envelope;
use common::events::ticket::TicketState;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::reconcile;
use crate::flows::reconcile_order::reconcile_order;
use crate::state::AppState;
use crate::store;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::to(move |event| handle(state.clone(), event))
}

async fn handle(state: AppState, event: Envelope<TicketState>) -> Result<Applied, Failure> {
    let applied = state.tickets.put_if_newer(&event).await?;
    let ticket = &event.data;
    if let Some(order) = store::open_of(&state.orders, ticket.terms.id).await?.filter(|order| !order.is_final()) {
        reconcile_order(&state, order.id).await?;
    }
    // tickets announces a listing that waits for an order although that one is over: it missed our event.
    if event.is_snapshot() {
        for id in reconcile::awaited_by(ticket) {
            if let Some(order) = state.orders.get(id).await?
                && reconcile::is_tickets_behind(&order, ticket)
            {
                state.orders.announce(&order);
            }
        }
    }
    Ok(applied)
}
