//! Brings a listing in agreement with every order of it: after an event, a request, a catch-up.

use common::error::Error;
use common::events::order::OrderState;
use common::id::TicketId;
use platform::reconcile::{Pass, Reconcile, until_settled};
use platform::store::Versioned;
use platform::store::error::StoreError;

use crate::domain::reconcile;
use crate::domain::ticket::Ticket;
use crate::state::State;
use crate::store;

/// Steps until nothing is left to do; the listing as it then is, if it exists.
pub async fn reconcile_ticket(state: &State, id: TicketId) -> Result<Option<Versioned<Ticket>>, Error> {
    let (ticket, _) = until_settled(&OneTicket { state, id }).await?;
    Ok(ticket)
}

struct OneTicket<'a> {
    state: &'a State,
    id: TicketId,
}

impl Reconcile for OneTicket<'_> {
    type View = (Option<Versioned<Ticket>>, Vec<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        let orders = store::orders_of(&self.state.orders, self.id).await?;
        Ok((self.state.tickets.get(self.id).await?, orders))
    }

    async fn step(&self, (ticket, orders): &Self::View) -> Result<Pass, Error> {
        let Some(ticket) = ticket else { return Ok(Pass::Settled) };
        let orders = orders.iter().map(|order| &order.state);
        let Some(step) = reconcile::next(&ticket.state, orders, self.state.clock.now()) else {
            return Ok(Pass::Settled);
        };
        let (next, change) = step?;
        match self.state.tickets.save(ticket, next, change).await {
            Ok(_) | Err(StoreError::Stale) => Ok(Pass::Changed),
            Err(error) => Err(error.into()),
        }
    }
}
