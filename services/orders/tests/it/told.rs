//! The rows of the subscription table, as scenes: an order, what was told before, and one event more.

use common::clock::Clock;
use common::events::envelope::Envelope;
use common::events::expiration::{ExpirationChange, ExpirationState};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::{TicketChange, TicketState};
use platform::stream::subscription::{Applied, Failure};
use serde_json::Value;
use std::time::Duration;
use testkit::app::TestApp;
use testkit::app::users::User;

use crate::support::{id_of, known, payment, place, refusing, reserved, step};

/// An event of any row.
#[derive(Clone)]
pub(crate) enum Told {
    Ticket(Box<Envelope<TicketState>>),
    Payment(Box<Envelope<PaymentState>>),
    Expiration(Box<Envelope<ExpirationState>>),
}

impl Told {
    pub(crate) fn ticket(app: &TestApp, change: TicketChange, version: u64, ticket: TicketState) -> Self {
        Self::Ticket(Box::new(app.event(change, ticket.terms.id, version, ticket)))
    }

    pub(crate) fn payment(app: &TestApp, payment: &PaymentState, status: PaymentStatus) -> Self {
        let (change, version, state) = step(payment, status);
        Self::Payment(Box::new(app.event(change, state.id, version, state)))
    }

    pub(crate) fn expiration(app: &TestApp, order: &Value) -> Self {
        let expires_at = order["expiresAt"].as_str().unwrap().parse().unwrap();
        let state = ExpirationState { order_id: id_of(order), expires_at };
        Self::Expiration(Box::new(app.event(ExpirationChange::Completed, state.order_id, 0, state)))
    }

    /// As the consumer would after a delivery.
    pub(crate) async fn handle(&self, app: &TestApp) -> Result<Applied, Failure> {
        match self {
            Self::Ticket(event) => app.handle(event).await,
            Self::Payment(event) => app.handle(event).await,
            Self::Expiration(event) => app.handle(event).await,
        }
    }

    /// The same event, once more on its stream.
    pub(crate) async fn publish(&self, app: &TestApp) {
        let (source, entity, kind, payload) = match self {
            Self::Ticket(event) => ("tickets", "ticket", &event.kind, serde_json::to_vec(event)),
            Self::Payment(event) => ("payments", "payment", &event.kind, serde_json::to_vec(event)),
            Self::Expiration(event) => ("expiration", "expiration", &event.kind, serde_json::to_vec(event)),
        };
        app.publish_raw(source, entity, kind, &payload.unwrap()).await;
    }

    /// Writes the replica and nothing else, as a handler that dies right then.
    pub(crate) async fn write_replica(&self, app: &TestApp) {
        match self {
            Self::Ticket(event) => drop(app.context.replica().put_if_newer(event).await.unwrap()),
            Self::Payment(event) => drop(app.context.replica().put_if_newer(event).await.unwrap()),
            Self::Expiration(_) => {}
        }
    }

    /// The same entity as it was one version before, which says nothing of the order.
    pub(crate) fn one_before(&self) -> Option<Self> {
        match self.clone() {
            Self::Ticket(mut event) => {
                event.entityversion -= 1;
                event.data.order_id = None;
                event.data.refusals.clear();
                event.data.status = common::events::ticket::TicketStatus::Available;
                Some(Self::Ticket(event))
            }
            Self::Payment(mut event) => {
                event.entityversion -= 1;
                event.data.status = PaymentStatus::Authorizing;
                Some(Self::Payment(event))
            }
            Self::Expiration(_) => None,
        }
    }
}

/// One event and what it does to an order.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) buyer: User,
    pub(crate) order: Value,
    /// What was told before.
    pub(crate) before: Vec<Told>,
    pub(crate) event: Told,
    /// The changes of the order from its creation.
    pub(crate) way: &'static [&'static str],
}

impl Scene {
    pub(crate) async fn set(self, app: &TestApp) -> Self {
        for event in &self.before {
            event.handle(app).await.unwrap();
        }
        self
    }
}

/// A scene for each thing that an event of any row can do; each has a ticket and an order of its own.
pub(crate) async fn scenes(app: &TestApp) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for row in 0..6 {
        let (buyer, ticket) = (app.signer.user(), known(app).await);
        let order = place(app, &buyer, &ticket).await;
        let paid = payment(&order, PaymentStatus::Authorizing);
        let pay = |status| Told::payment(app, &paid, status);
        let reserved = Told::ticket(app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order)));
        let refused = Told::ticket(app, TicketChange::Refused, 1, refusing(&ticket, id_of(&order)));
        let (name, before, event, way): (_, _, _, &'static [_]) = match row {
            0 => ("ticket.reserved", vec![], reserved, &["created", "confirmed"]),
            1 => ("ticket.refused", vec![], refused, &["created", "cancelled"]),
            2 => (
                "payment.authorized",
                vec![reserved],
                pay(PaymentStatus::Authorized),
                &["created", "confirmed", "authorized"],
            ),
            3 => (
                "payment.captured",
                vec![reserved, pay(PaymentStatus::Authorized)],
                pay(PaymentStatus::Captured),
                &["created", "confirmed", "authorized", "completed"],
            ),
            4 => (
                "payment.failed",
                vec![reserved, pay(PaymentStatus::Authorized)],
                pay(PaymentStatus::Failed),
                &["created", "confirmed", "authorized", "cancelled"],
            ),
            _ => (
                "expiration.completed",
                vec![reserved],
                Told::expiration(app, &order),
                &["created", "confirmed", "cancelled"],
            ),
        };
        scenes.push(Scene { name, buyer, order, before, event, way });
    }
    // Past the end of every hold, for the timer; the others do not look at the clock.
    app.clock.advance(Duration::from_secs(901));
    assert!(app.clock.now() > scenes[0].order["expiresAt"].as_str().unwrap().parse().unwrap());
    scenes
}
