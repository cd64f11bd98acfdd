//! A listing changed: the orders that wait for a reservation are confirmed, or cancelled if the listing refused them.
//! Unpaid orders are cancelled if the show is.

use common::events::ticket::TicketState;
use platform::reconcile::Current;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;
use crate::store;

pub(super) async fn handle(state: AppState, delivery: Delivery<TicketState>) -> Result<Applied, Failure> {
    let stored = state.tickets.put_and_read(&delivery.event).await?;
    if delivery.is_first(&stored) && !reconcile::ticket_can_cause_transition(&stored.entity) {
        return Ok(stored.applied);
    }
    let ticket = &delivery.event.data;
    for order in store::open_orders(&state.orders, ticket.terms.id).await? {
        if !reconcile::can_be_changed_by(&order, &stored.entity) {
            continue;
        }
        let (id, mut own) = (order.id, Current::from(order));
        loop {
            let seen = Seen { ticket: Some(stored.entity.clone()), ..Seen::default() };
            let order = reconcile_order(&state, id, own, seen).await?;
            // After a lost compare-and-swap, the flow reads the listing again only for an order that is not confirmed
            // yet. So a confirmed order may still be unpaid although its show is cancelled; then repeat the flow with
            // the listing.
            match order.filter(|order| stored.entity.show_cancelled && order.is_unpaid()) {
                Some(unpaid) => own = Current::from(unpaid),
                None => break,
            }
        }
    }
    // If the snapshot shows that the listing still waits for an order that has ended, `tickets` has missed our event.
    if delivery.has_snapshot() {
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
