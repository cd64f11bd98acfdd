//! Reconciles a listing with its orders.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::TicketId;
use platform::reconcile::{Progress, Reconcile, advance, until_settled};

use crate::domain::reconcile;
use crate::domain::ticket::Ticket;
use crate::state::AppState;
use crate::store;

/// Makes transitions until nothing changes. Returns the listing, if it exists.
pub(crate) async fn reconcile_ticket(state: &AppState, id: TicketId) -> Result<Option<Versioned<Ticket>>, Error> {
    let (ticket, _) = until_settled(&TicketReconciler { state, id }).await?;
    Ok(ticket)
}

struct TicketReconciler<'a> {
    state: &'a AppState,
    id: TicketId,
}

impl Reconcile for TicketReconciler<'_> {
    type View = (Option<Versioned<Ticket>>, Vec<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        // The listing first: it names pending orders. If it changes in between, the compare-and-swap of the step fails.
        let Some(ticket) = self.state.tickets.get(self.id).await? else { return Ok((None, Vec::new())) };
        let pending = reconcile::pending_order_ids(&ticket);
        let orders = store::relevant_orders(&self.state.orders, self.id, pending).await?;
        Ok((Some(ticket), orders))
    }

    async fn step(&self, (ticket, orders): &Self::View) -> Result<Progress, Error> {
        let Some(ticket) = ticket else { return Ok(Progress::Settled) };
        let orders = orders.iter().map(|order| &order.state);
        let Some(transition) = reconcile::next_transition(&ticket.state, orders, self.state.clock.now()) else {
            return Ok(Progress::Settled);
        };
        advance(&self.state.tickets, ticket, transition?).await
    }
}
