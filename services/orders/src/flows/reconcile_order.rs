//! Reconciles an order with its listing, its show and its payments.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::TicketState;
use common::id::OrderId;
use platform::reconcile::{Current, Progress, Reconcile, advance, until_settled};

use crate::domain::order::{Order, Status};
use crate::domain::reconcile;
use crate::state::AppState;
use crate::store;

/// What an event has just brought.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The order's listing.
    pub ticket: Option<Versioned<TicketState>>,
    /// One of the order's payments.
    pub payment: Option<Versioned<PaymentState>>,
}

/// Applies transitions until the order agrees with its listing, its show and its payments. Returns the order, if it exists.
///
/// `own` is the order as the caller has just read or written it, so that the first iteration does not read it again.
pub async fn reconcile_order(
    state: &AppState,
    id: OrderId,
    own: Current<Order>,
    seen: Seen,
) -> Result<Option<Versioned<Order>>, Error> {
    until_settled(&ReconcileOrder { state, id }, own, seen).await
}

/// Like [`reconcile_order`], for a change that the platform made.
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
    show: Option<Versioned<ShowState>>,
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
        let Seen { ticket: seen_ticket, payment: seen_payment } = seen;
        let ticket = async {
            Ok::<_, Error>(match (&order.status, seen_ticket) {
                (Status::Created, None) => self.state.tickets.get(order.ticket.id).await?,
                (_, seen) => seen,
            })
        };
        let show = async {
            let shows = &self.state.shows;
            Ok::<_, Error>(if order.is_unpaid() { store::find_show(shows, order.show_id).await? } else { None })
        };
        let payments = store::relevant_payments(&self.state.payments, order, seen_payment);
        let (ticket, show, payments) = tokio::try_join!(ticket, show, payments)?;
        Ok(Replicas { ticket, show, payments })
    }

    async fn step(&self, order: Option<&Versioned<Order>>, replicas: &Replicas) -> Result<Progress<Order>, Error> {
        let Some(order) = order else { return Ok(Progress::Settled) };
        let Replicas { ticket, show, payments } = replicas;
        let payments = payments.iter().map(|payment| &payment.state);
        let Some(transition) =
            reconcile::next(order, ticket.as_deref(), show.as_deref(), payments, self.state.clock.now())
        else {
            return Ok(Progress::Settled);
        };
        advance(&self.state.orders, order, transition?).await
    }
}
