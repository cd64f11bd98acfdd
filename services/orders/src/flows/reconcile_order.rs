//! Reconciles an order with its listing and its payments, and records whether its charge has to be refunded.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::id::OrderId;
use platform::reconcile::{Current, Progress, Reconcile, advance, until_unchanged};

use super::record_refund_due::record_refund_due;
use crate::domain::order::{Order, Status};
use crate::domain::reconcile;
use crate::state::AppState;
use crate::store;

/// The replica that the handler of an event has just written.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The order's listing.
    pub ticket: Option<Versioned<TicketState>>,
    /// One of the order's payments.
    pub payment: Option<Versioned<PaymentState>>,
}

/// Applies transitions until the order agrees with its listing and its payments. Returns the order, if it exists.
///
/// `known` is the order as the caller has just read or written it, so that the first iteration does not read it again.
pub async fn reconcile_order(
    state: &AppState,
    id: OrderId,
    known: Current<Order>,
    seen: Seen,
) -> Result<Option<Versioned<Order>>, Error> {
    let order = until_unchanged(&ReconcileOrder { state, id }, known, seen).await?;
    if let Some(order) = &order {
        record_refund_due(state, order).await?;
    }
    Ok(order)
}

/// Like [`reconcile_order`], after the platform has written the order again at a higher version (a raise).
pub async fn reconcile_changed(state: AppState, id: OrderId) -> Result<(), Error> {
    reconcile_order(&state, id, Current::Unread, Seen::default()).await?;
    Ok(())
}

struct ReconcileOrder<'a> {
    state: &'a AppState,
    id: OrderId,
}

/// The replicas that can lead to a transition from the order's present status.
#[derive(Default)]
struct Replicas {
    ticket: Option<Versioned<TicketState>>,
    payments: Vec<Versioned<PaymentState>>,
}

impl Reconcile for ReconcileOrder<'_> {
    type Aggregate = Order;
    type Seen = Seen;
    type Replicas = Replicas;

    async fn load_aggregate(&self) -> Result<Option<Versioned<Order>>, Error> {
        Ok(self.state.orders.get(self.id).await?)
    }

    async fn load_replicas(&self, order: Option<&Versioned<Order>>, seen: Seen) -> Result<Replicas, Error> {
        let Some(order) = order else { return Ok(Replicas::default()) };
        let ticket = match (&order.status, seen.ticket) {
            (Status::Created, None) => self.state.tickets.get(order.ticket.id).await?,
            (_, seen) => seen,
        };
        let payments = store::relevant_payments(&self.state.payments, order, seen.payment).await?;
        Ok(Replicas { ticket, payments })
    }

    async fn step(&self, order: Option<&Versioned<Order>>, replicas: &Replicas) -> Result<Progress<Order>, Error> {
        let Some(order) = order else { return Ok(Progress::Unchanged) };
        let Replicas { ticket, payments } = replicas;
        let ticket = ticket.as_ref().map(|ticket| &ticket.state);
        let payments = payments.iter().map(|payment| &payment.state);
        let Some(transition) = reconcile::next(order, ticket, payments, self.state.clock.now()) else {
            return Ok(Progress::Unchanged);
        };
        advance(&self.state.orders, order, transition?).await
    }
}
