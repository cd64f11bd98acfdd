//! DELETE /api/orders/{id}: responses and errors.

use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketChange, TicketState};
use common::id::OrderId;
use serde_json::Value;
use testkit::app::TestApp;
use testkit::app::request::Request;
use testkit::app::users::User;

use crate::support::{
    app, changes, create_listing, expected_changes, id_of, path, payment, payment_transition, place, read, reserved,
};

fn cancel(app: &TestApp, buyer: &User, order: &Value) -> Request {
    app.request("DELETE", &path(order)).as_user(buyer)
}

async fn confirm(app: &TestApp, ticket: &TicketState, order: &Value) {
    let reserved = reserved(ticket, id_of(order));
    app.handle(&app.event(TicketChange::Reserved, ticket.terms.id, 1, reserved)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_order_frees_the_ticket_for_another_buyer() {
    let app = app().await;
    let (buyer, rival) = (app.signer.user(), app.signer.user());
    for confirmed in [false, true] {
        let ticket = create_listing(&app).await;
        let order = place(&app, &buyer, &ticket).await;
        if confirmed {
            confirm(&app, &ticket, &order).await;
        }
        let response = cancel(&app, &buyer, &order).send().await.expect(200);
        let cancelled = response.json();
        assert_eq!(response.header("etag"), format!("\"{}\"", 1 + u64::from(confirmed)));
        assert_eq!((&cancelled["status"], &cancelled["cancelReason"]), (&"cancelled".into(), &"buyer".into()));
        assert_eq!(read(&app, &buyer, &order).await, cancelled);
        let expected = if confirmed {
            expected_changes(&["created", "confirmed", "cancelled"])
        } else {
            expected_changes(&["created", "cancelled"])
        };
        assert_eq!(changes(&app, &order).await, expected);
        place(&app, &rival, &ticket).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buyer_can_cancel() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    app.request("DELETE", &path(&order)).send().await.expect(401);
    cancel(&app, &app.signer.user(), &order).send().await.expect(404);
    app.request("DELETE", &format!("/api/orders/{}", OrderId::new())).as_user(&buyer).send().await.expect(404);
    app.request("DELETE", "/api/orders/x").as_user(&buyer).send().await.expect(400);
    assert_eq!(read(&app, &buyer, &order).await, order);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_etag_is_rejected_and_present_etag_is_accepted() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    confirm(&app, &ticket, &order).await;
    let response = cancel(&app, &buyer, &order).header("if-match", "\"0\"").send().await.expect(412);
    assert_eq!(response.problem(), "precondition-failed");
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
    cancel(&app, &buyer, &order).header("if-match", "\"1\"").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_completed_or_cancelled_order_cannot_be_cancelled() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    confirm(&app, &ticket, &order).await;
    let payment = payment(&order, PaymentStatus::Authorizing);
    for (status, problem) in
        [(PaymentStatus::Authorized, "order-authorized"), (PaymentStatus::Captured, "order-completed")]
    {
        let (change, version, state) = payment_transition(&payment, status);
        app.handle(&app.event(change, payment.id, version, state)).await.unwrap();
        let before = read(&app, &buyer, &order).await;
        assert_eq!(cancel(&app, &buyer, &order).send().await.expect(409).problem(), problem);
        assert_eq!(read(&app, &buyer, &order).await, before);
    }
    // A completed order holds the ticket permanently.
    let response = crate::support::post(&app, &app.signer.user(), &ticket).await.expect(409);
    assert_eq!(response.problem(), "ticket-taken");

    let order = place(&app, &buyer, &create_listing(&app).await).await;
    cancel(&app, &buyer, &order).send().await.expect(200);
    assert_eq!(cancel(&app, &buyer, &order).send().await.expect(409).problem(), "order-closed");
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "cancelled"]));
}
