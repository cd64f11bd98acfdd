//! Lost events: healed by the owner's announcements, and by ours to a peer that is behind.

use std::time::Duration;

use common::events::expiration::{ExpirationChange, ExpirationState};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::ticket::{TicketChange, TicketState};
use common::id::PaymentId;
use serde_json::Value;
use testkit::app::users::User;
use testkit::app::{TestApp, eventually};

use crate::support::{app, app_with, changes, id_of, known, path, payment, place, read, refusing, reserved, step, way};
use crate::told::Told;

/// How often the order was announced, with the version and status that were told last.
async fn announced(app: &TestApp, order: &Value) -> (usize, Option<(u64, Value)>) {
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
    let (_, version, state) = step(payment, status);
    app.publish(PaymentChange::Snapshot, payment.id, version, state).await;
    app.wait_until_idle().await;
}

async fn cancel(app: &TestApp, buyer: &User, order: &Value) {
    app.request("DELETE", &path(order)).by(buyer).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_event_is_healed_by_its_owners_announcement() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    snapshot_of_ticket(&app, 1, reserved(&ticket, id_of(&order))).await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
    snapshot_of_payment(&app, &paid, PaymentStatus::Authorized).await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "authorized");
    snapshot_of_payment(&app, &paid, PaymentStatus::Captured).await;
    assert_eq!(changes(&app, &order).await, way(&["created", "confirmed", "authorized", "completed"]));

    let unpaid = place(&app, &buyer, &known(&app).await).await;
    app.clock.advance(Duration::from_secs(900));
    let expires_at = unpaid["expiresAt"].as_str().unwrap().parse().unwrap();
    let timer = ExpirationState { order_id: id_of(&unpaid), expires_at };
    app.publish(ExpirationChange::Snapshot, timer.order_id, 1, timer).await;
    assert_eq!(changes(&app, &unpaid).await, way(&["created", "cancelled"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_order_is_announced_again_and_a_final_one_once_more() {
    let app = app_with(&[("ANNOUNCE_AFTER", "300ms")]).await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    eventually("the open order to be announced twice", async || announced(&app, &order).await.0 >= 2).await;
    assert_eq!(announced(&app, &order).await.1, Some((0, "created".into())));

    cancel(&app, &buyer, &order).await;
    let cancelled = async || announced(&app, &order).await.1 == Some((1, "cancelled".into()));
    eventually("the final order to be announced", cancelled).await;
    let (count, _) = announced(&app, &order).await;
    // Another order is announced three times more; the final one is not.
    let other = place(&app, &buyer, &ticket).await;
    eventually("the next order to be announced", async || announced(&app, &other).await.0 >= 3).await;
    assert_eq!(announced(&app, &order).await.0, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_waits_for_an_order_that_is_over_is_told_again() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let held = reserved(&ticket, id_of(&order));
    snapshot_of_ticket(&app, 1, held.clone()).await;
    assert_eq!(announced(&app, &order).await.0, 0, "an order that is open is no news");
    cancel(&app, &buyer, &order).await;
    // A change is not an announcement: tickets has not had the time to hear of it.
    app.publish(TicketChange::Reserved, ticket.terms.id, 1, held.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(announced(&app, &order).await.0, 0);
    snapshot_of_ticket(&app, 1, held).await;
    assert_eq!(announced(&app, &order).await, (1, Some((2, "cancelled".into()))));
    snapshot_of_ticket(&app, 2, refusing(&ticket, id_of(&order))).await;
    assert_eq!(announced(&app, &order).await.0, 2);
    snapshot_of_ticket(&app, 3, ticket).await;
    assert_eq!(announced(&app, &order).await.0, 2, "it waits no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_waits_for_an_order_that_is_decided_is_told_again() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    snapshot_of_payment(&app, &paid, PaymentStatus::Authorizing).await;
    assert_eq!(announced(&app, &order).await.0, 0, "an order that is undecided is no news");
    Told::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    snapshot_of_payment(&app, &paid, PaymentStatus::Authorized).await;
    assert_eq!(announced(&app, &order).await, (1, Some((2, "authorized".into()))));
    snapshot_of_payment(&app, &paid, PaymentStatus::Captured).await;
    assert_eq!(announced(&app, &order).await.0, 1, "a final payment waits for nothing");

    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    cancel(&app, &buyer, &order).await;
    let late = payment(&order, PaymentStatus::RequiresAction);
    let late = PaymentState { id: PaymentId::new(), ..late };
    snapshot_of_payment(&app, &late, PaymentStatus::RequiresAction).await;
    assert_eq!(announced(&app, &order).await, (1, Some((1, "cancelled".into()))));
}
