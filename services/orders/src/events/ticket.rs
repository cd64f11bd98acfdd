//! A listing changed: the order that waits for a reservation is confirmed or refused.

use common::aggregate::Aggregate;
use common::events::envelope::Envelope;
use common::events::ticket::TicketState;
use platform::reconcile::Own;
use platform::stream::subscription::{Applied, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;
use crate::store;

pub(super) async fn handle(state: AppState, event: Envelope<TicketState>) -> Result<Applied, Failure> {
    let stored = state.tickets.put_and_read(&event).await?;
    // The change can't move an order: the listing is neither reserved nor has it refused one. A redelivered event is
    // handled nevertheless, because its first handler may have been interrupted, and so is a snapshot.
    if stored.is_first_of(&event) && !reconcile::ticket_can_move(&stored.entity) {
        return Ok(stored.applied);
    }
    let ticket = &event.data;
    if let Some(order) = store::find_holder(&state.orders, ticket.terms.id).await?.filter(|order| !order.is_settled()) {
        let (id, seen) = (order.id, Seen { ticket: Some(stored.entity), ..Seen::default() });
        reconcile_order(&state, id, Own::from(order), seen).await?;
    }
    // If the snapshot shows that the listing still waits for an order that has ended, `tickets` has missed our event.
    if event.is_snapshot() {
        for id in reconcile::pending_order_ids(ticket) {
            if let Some(order) = state.orders.get(id).await?
                && reconcile::tickets_missed_end(&order, ticket)
            {
                state.orders.announce(&order);
            }
        }
    }
    Ok(stored.applied)
}
