//! Scenarios for every row of the subscription table: an order, the earlier events, and the event under test.

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

use crate::support::{create_listing, id_of, payment, payment_transition, place, reserved, with_refusal};

/// An event of any subscription.
#[derive(Clone)]
pub(crate) enum TestEvent {
    Ticket(Box<Envelope<TicketState>>),
    Payment(Box<Envelope<PaymentState>>),
    Expiration(Box<Envelope<ExpirationState>>),
}

impl TestEvent {
    pub(crate) fn ticket(app: &TestApp, change: TicketChange, version: u64, ticket: TicketState) -> Self {
        Self::Ticket(Box::new(app.event(change, ticket.terms.id, version, ticket)))
    }

    pub(crate) fn payment(app: &TestApp, payment: &PaymentState, status: PaymentStatus) -> Self {
        let (change, version, state) = payment_transition(payment, status);
        Self::Payment(Box::new(app.event(change, state.id, version, state)))
    }

    pub(crate) fn expiration(app: &TestApp, order: &Value) -> Self {
        let expires_at = order["expiresAt"].as_str().unwrap().parse().unwrap();
        let state = ExpirationState { order_id: id_of(order), expires_at };
        Self::Expiration(Box::new(app.event(ExpirationChange::Completed, state.order_id, 0, state)))
    }

    /// Passes the event to its handler.
    pub(crate) async fn handle(&self, app: &TestApp) -> Result<Applied, Failure> {
        match self {
            Self::Ticket(event) => app.handle(event).await,
            Self::Payment(event) => app.handle(event).await,
            Self::Expiration(event) => app.handle(event).await,
        }
    }

    /// Publishes the event to its stream.
    pub(crate) async fn publish(&self, app: &TestApp) {
        let (source, entity, kind, payload) = match self {
            Self::Ticket(event) => ("tickets", "ticket", &event.kind, serde_json::to_vec(event)),
            Self::Payment(event) => ("payments", "payment", &event.kind, serde_json::to_vec(event)),
            Self::Expiration(event) => ("expiration", "expiration", &event.kind, serde_json::to_vec(event)),
        };
        app.publish_raw(source, entity, kind, &payload.unwrap()).await;
    }

    /// Writes only the replica, like a handler that crashes after that write.
    pub(crate) async fn write_replica(&self, app: &TestApp) {
        match self {
            Self::Ticket(event) => drop(app.context.replica().put_if_newer(event).await.unwrap()),
            Self::Payment(event) => drop(app.context.replica().put_if_newer(event).await.unwrap()),
            Self::Expiration(_) => {}
        }
    }

    /// The entity's previous version, which does not refer to the order.
    pub(crate) fn previous_version(&self) -> Option<Self> {
        match self.clone() {
            Self::Ticket(mut event) => {
                event.entityversion -= 1;
                for seat in &mut event.data.seats {
                    (seat.status, seat.order_id) = (common::events::ticket::TicketStatus::Available, None);
                }
                event.data.refusals.clear();
                event.data.show_cancelled = false;
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

/// An event and its effect on an order.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) buyer: User,
    pub(crate) order: Value,
    /// The earlier events.
    pub(crate) before: Vec<TestEvent>,
    pub(crate) event: TestEvent,
    /// The expected changes of the order, from its creation.
    pub(crate) changes: &'static [&'static str],
}

impl Scenario {
    pub(crate) async fn arrange(self, app: &TestApp) -> Self {
        for event in &self.before {
            event.handle(app).await.unwrap();
        }
        self
    }
}

/// One scenario per effect of an event; each has its own ticket and order.
pub(crate) async fn scenarios(app: &TestApp) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for row in 0..7 {
        let (buyer, ticket) = (app.signer.user(), create_listing(app).await);
        let order = place(app, &buyer, &ticket).await;
        let paid = payment(&order, PaymentStatus::Authorizing);
        let pay = |status| TestEvent::payment(app, &paid, status);
        let followed = TicketState { show_cancelled: true, ..reserved(&ticket, id_of(&order)) };
        let reserved = TestEvent::ticket(app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order)));
        let refused = TestEvent::ticket(app, TicketChange::Refused, 1, with_refusal(&ticket, id_of(&order)));
        let (name, before, event, changes): (_, _, _, &'static [_]) = match row {
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
            5 => (
                "show.cancelled",
                vec![reserved],
                TestEvent::ticket(app, TicketChange::Updated, 2, followed),
                &["created", "confirmed", "cancelled"],
            ),
            _ => (
                "expiration.completed",
                vec![reserved],
                TestEvent::expiration(app, &order),
                &["created", "confirmed", "cancelled"],
            ),
        };
        scenarios.push(Scenario { name, buyer, order, before, event, changes });
    }
    // Let every hold end, so that the timer is due; the other events do not depend on the clock.
    app.clock.advance(Duration::from_secs(901));
    assert!(app.clock.now() > scenarios[0].order["expiresAt"].as_str().unwrap().parse().unwrap());
    scenarios
}
