//! Recovery from lost events: by snapshots of the owner, and by this service's snapshots for a peer that is behind.

use std::time::Duration;

use common::events::expiration::{ExpirationChange, ExpirationState};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::ticket::{TicketChange, TicketState};
use common::id::PaymentId;
use serde_json::Value;
use testkit::app::users::User;
use testkit::app::{TestApp, eventually};

use crate::scenarios::TestEvent;
use crate::support::{
    app, app_with, changes, create_listing, expected_changes, id_of, path, payment, payment_transition, place, read,
    reserved, with_refusal,
};

/// The number of snapshots of the order, with the version and status of the last one.
async fn snapshots_of(app: &TestApp, order: &Value) -> (usize, Option<(u64, Value)>) {
    let id = id_of(order).to_string();
    let mut events = app.events("orders").await;
    events.retain(|event| event.subject == id && event.kind == "order.snapshot.v1");
    let last = events.last().map(|event| (event.entityversion, event.data["status"].clone()));
    (events.len(), last)
}

async fn snapshot_of_ticket(app: &TestApp, version: u64, ticket: TicketState) {
    app.publish(TicketChange::Snapshot, ticket.terms.id, version, ticket).await;
    app.wait_until_idle().await;
}

async fn snapshot_of_payment(app: &TestApp, payment: &PaymentState, status: PaymentStatus) {
    let (_, version, state) = payment_transition(payment, status);
    app.publish(PaymentChange::Snapshot, payment.id, version, state).await;
    app.wait_until_idle().await;
}

async fn cancel(app: &TestApp, buyer: &User, order: &Value) {
    app.request("DELETE", &path(order)).as_user(buyer).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_snapshots_replace_lost_events() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    snapshot_of_ticket(&app, 1, reserved(&ticket, id_of(&order))).await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
    snapshot_of_payment(&app, &paid, PaymentStatus::Authorized).await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "authorized");
    snapshot_of_payment(&app, &paid, PaymentStatus::Captured).await;
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "confirmed", "authorized", "completed"]));

    let unpaid = place(&app, &buyer, &create_listing(&app).await).await;
    app.clock.advance(Duration::from_secs(900));
    let expires_at = unpaid["expiresAt"].as_str().unwrap().parse().unwrap();
    let timer = ExpirationState { order_id: id_of(&unpaid), expires_at };
    app.publish(ExpirationChange::Snapshot, timer.order_id, 1, timer).await;
    assert_eq!(changes(&app, &unpaid).await, expected_changes(&["created", "cancelled"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn open_order_is_announced_repeatedly_and_final_order_once() {
    let app = app_with(&[("ANNOUNCE_AFTER", "300ms")]).await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    eventually("the open order to be announced twice", async || snapshots_of(&app, &order).await.0 >= 2).await;
    assert_eq!(snapshots_of(&app, &order).await.1, Some((0, "created".into())));

    cancel(&app, &buyer, &order).await;
    let cancelled = async || snapshots_of(&app, &order).await.1 == Some((1, "cancelled".into()));
    eventually("the final order to be announced", cancelled).await;
    let (count, _) = snapshots_of(&app, &order).await;
    // While another order is announced three times, the final one is not announced again.
    let other = place(&app, &buyer, &ticket).await;
    eventually("the next order to be announced", async || snapshots_of(&app, &other).await.0 >= 3).await;
    assert_eq!(snapshots_of(&app, &order).await.0, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_order_is_announced_when_tickets_still_waits_for_it() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let held = reserved(&ticket, id_of(&order));
    snapshot_of_ticket(&app, 1, held.clone()).await;
    assert_eq!(snapshots_of(&app, &order).await.0, 0, "an open order needs no snapshot");
    cancel(&app, &buyer, &order).await;
    // Unlike a snapshot, a change does not show that an event was lost: ours may not have reached `tickets` yet.
    app.publish(TicketChange::Reserved, ticket.terms.id, 1, held.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(snapshots_of(&app, &order).await.0, 0);
    snapshot_of_ticket(&app, 1, held).await;
    assert_eq!(snapshots_of(&app, &order).await, (1, Some((2, "cancelled".into()))));
    snapshot_of_ticket(&app, 2, with_refusal(&ticket, id_of(&order))).await;
    assert_eq!(snapshots_of(&app, &order).await.0, 2);
    snapshot_of_ticket(&app, 3, ticket).await;
    assert_eq!(snapshots_of(&app, &order).await.0, 2, "it no longer waits for the order");
}

#[tokio::test(flavor = "multi_thread")]
async fn decided_order_is_announced_when_payments_still_waits_for_it() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    snapshot_of_payment(&app, &paid, PaymentStatus::Authorizing).await;
    assert_eq!(snapshots_of(&app, &order).await.0, 0, "an undecided order needs no snapshot");
    TestEvent::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    snapshot_of_payment(&app, &paid, PaymentStatus::Authorized).await;
    assert_eq!(snapshots_of(&app, &order).await, (1, Some((2, "authorized".into()))));
    snapshot_of_payment(&app, &paid, PaymentStatus::Captured).await;
    assert_eq!(snapshots_of(&app, &order).await.0, 1, "a final payment waits for nothing");

    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    cancel(&app, &buyer, &order).await;
    let late = payment(&order, PaymentStatus::RequiresAction);
    let late = PaymentState { id: PaymentId::new(), ..late };
    snapshot_of_payment(&app, &late, PaymentStatus::RequiresAction).await;
    assert_eq!(snapshots_of(&app, &order).await, (1, Some((1, "cancelled".into()))));
}
