//! Reconciles an order with its listing and its payments.

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

/// Applies transitions until the order agrees with its listing and its payments; returns the order, if it exists.
pub async fn reconcile_order(state: &AppState, id: OrderId) -> Result<Option<Versioned<Order>>, Error> {
    Ok(until_settled(&OrderReconciler { state, id }).await?.map(|view| view.order))
}

struct OrderReconciler<'a> {
    state: &'a AppState,
    id: OrderId,
}

#[derive(PartialEq)]
struct View {
    order: Versioned<Order>,
    ticket: Option<Versioned<TicketState>>,
    payments: Vec<Versioned<PaymentState>>,
}

impl Reconcile for OrderReconciler<'_> {
    type View = Option<View>;

    async fn load(&self) -> Result<Option<View>, Error> {
        let Some(order) = self.state.orders.get(self.id).await? else { return Ok(None) };
        let ticket = self.state.tickets.get(order.ticket.id).await?;
        let payments = store::relevant_payments(&self.state.payments, &order).await?;
        Ok(Some(View { order, ticket, payments }))
    }

    async fn step(&self, view: &Option<View>) -> Result<Progress, Error> {
        let Some(View { order, ticket, payments }) = view else { return Ok(Progress::Settled) };
        let ticket = ticket.as_ref().map(|ticket| &ticket.state);
        let payments = payments.iter().map(|payment| &payment.state);
        let Some(transition) = reconcile::next(order, ticket, payments, self.state.clock.now()) else {
            return Ok(Progress::Settled);
        };
        advance(&self.state.orders, order, transition?).await
    }
}
