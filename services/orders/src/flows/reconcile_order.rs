//! Brings an order in agreement with its listing and its payments: after an event, a request, a catch-up.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::id::OrderId;
use platform::reconcile::{Progress, Reconcile, advance, until_settled};

use crate::domain::order::Order;
use crate::domain::reconcile;
use crate::state::AppState;
use crate::store;

/// Steps until nothing is left to do; the order as it then is, if it exists.
pub async fn reconcile_order(state: &AppState, id: OrderId) -> Result<Option<Versioned<Order>>, Error> {
    let view = until_settled(&OneOrder { state, id }).await?;
    Ok(view.order)
}

struct OneOrder<'a> {
    state: &'a AppState,
    id: OrderId,
}

#[derive(PartialEq)]
struct View {
    order: Option<Versioned<Order>>,
    ticket: Option<Versioned<TicketState>>,
    payments: Vec<Versioned<PaymentState>>,
}

impl Reconcile for OneOrder<'_> {
    type View = View;

    async fn load(&self) -> Result<View, Error> {
        let Some(order) = self.state.orders.get(self.id).await? else {
            return Ok(View { order: None, ticket: None, payments: Vec::new() });
        };
        let ticket = self.state.tickets.get(order.ticket.id).await?;
        let payments = store::deciding_payments(&self.state.payments, &order).await?;
        Ok(View { order: Some(order), ticket, payments })
    }

    async fn step(&self, view: &View) -> Result<Progress, Error> {
        let Some(order) = &view.order else { return Ok(Progress::Settled) };
        let ticket = view.ticket.as_ref().map(|ticket| &ticket.state);
        let payments = view.payments.iter().map(|payment| &payment.state);
        let Some(step) = reconcile::next(order, ticket, payments, self.state.clock.now()) else {
            return Ok(Progress::Settled);
        };
        advance(&self.state.orders, order, step?).await
    }
}
