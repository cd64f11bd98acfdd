//! Brings a listing in agreement with the orders that can move it: after an event, a request, a catch-up.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::TicketId;
use platform::reconcile::{Progress, Reconcile, advance, until_settled};

use crate::domain::reconcile;
use crate::domain::ticket::Ticket;
use crate::state::AppState;
use crate::store;

/// Steps until nothing is left to do; the listing as it then is, if it exists.
pub async fn reconcile_ticket(state: &AppState, id: TicketId) -> Result<Option<Versioned<Ticket>>, Error> {
    let (ticket, _) = until_settled(&OneTicket { state, id }).await?;
    Ok(ticket)
}

struct OneTicket<'a> {
    state: &'a AppState,
    id: TicketId,
}

impl Reconcile for OneTicket<'_> {
    type View = (Option<Versioned<Ticket>>, Vec<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        // The listing first: it names orders. The swap refuses a step if it has changed since.
        let Some(ticket) = self.state.tickets.get(self.id).await? else { return Ok((None, Vec::new())) };
        let awaited = reconcile::awaited(&ticket);
        let orders = store::deciding_orders(&self.state.orders, self.id, awaited).await?;
        Ok((Some(ticket), orders))
    }

    async fn step(&self, (ticket, orders): &Self::View) -> Result<Progress, Error> {
        let Some(ticket) = ticket else { return Ok(Progress::Settled) };
        let orders = orders.iter().map(|order| &order.state);
        let Some(step) = reconcile::next(&ticket.state, orders, self.state.clock.now()) else {
            return Ok(Progress::Settled);
        };
        advance(&self.state.tickets, ticket, step?).await
    }
}
