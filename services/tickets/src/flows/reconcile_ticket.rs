//! Reconciles a listing with its orders.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::TicketId;
use platform::reconcile::{Current, Progress, Reconcile, advance, until_unchanged};

use crate::domain::reconcile;
use crate::domain::ticket::Ticket;
use crate::state::AppState;
use crate::store;

/// Makes transitions until nothing changes. Returns the listing, if it exists. `known` is the listing if the caller has
/// just read or written it, `seen` the order whose event is being handled.
pub(crate) async fn reconcile_ticket(
    state: &AppState,
    id: TicketId,
    known: Current<Ticket>,
    seen: Option<Versioned<OrderState>>,
) -> Result<Option<Versioned<Ticket>>, Error> {
    until_unchanged(&ReconcileTicket { state, id }, known, seen).await
}

struct ReconcileTicket<'a> {
    state: &'a AppState,
    id: TicketId,
}

impl Reconcile for ReconcileTicket<'_> {
    type Aggregate = Ticket;
    type Seen = Option<Versioned<OrderState>>;
    type Replicas = Vec<Versioned<OrderState>>;

    async fn load_aggregate(&self) -> Result<Option<Versioned<Ticket>>, Error> {
        Ok(self.state.tickets.get(self.id).await?)
    }

    async fn load_replicas(
        &self,
        ticket: Option<&Versioned<Ticket>>,
        seen: Self::Seen,
    ) -> Result<Self::Replicas, Error> {
        let Some(ticket) = ticket else { return Ok(Vec::new()) };
        // The listing names its pending orders. If it has changed since, the compare-and-swap of the step fails.
        store::relevant_orders(&self.state.orders, ticket, seen).await
    }

    async fn step(
        &self,
        ticket: Option<&Versioned<Ticket>>,
        orders: &Self::Replicas,
    ) -> Result<Progress<Ticket>, Error> {
        let Some(ticket) = ticket else { return Ok(Progress::Unchanged) };
        let orders = orders.iter().map(|order| &order.state);
        let Some(transition) = reconcile::next_transition(&ticket.state, orders, self.state.clock.now()) else {
            return Ok(Progress::Unchanged);
        };
        advance(&self.state.tickets, ticket, transition?).await
    }
}
