//! DELETE /api/orders/{id}: what it answers, and each refusal.

use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketChange, TicketState};
use common::id::OrderId;
use serde_json::Value;
use testkit::app::TestApp;
use testkit::app::request::Request;
use testkit::app::users::User;

use crate::support::{app, changes, id_of, known, path, payment, place, read, reserved, step, way};

fn cancel(app: &TestApp, buyer: &User, order: &Value) -> Request {
    app.request("DELETE", &path(order)).by(buyer)
}

async fn confirm(app: &TestApp, ticket: &TicketState, order: &Value) {
    let reserved = reserved(ticket, id_of(order));
    app.handle(&app.event(TicketChange::Reserved, ticket.terms.id, 1, reserved)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_gives_the_ticket_up_and_another_takes_it() {
    let app = app().await;
    let (buyer, rival) = (app.signer.user(), app.signer.user());
    for confirmed in [false, true] {
        let ticket = known(&app).await;
        let order = place(&app, &buyer, &ticket).await;
        if confirmed {
            confirm(&app, &ticket, &order).await;
        }
        let response = cancel(&app, &buyer, &order).send().await.expect(200);
        let cancelled = response.json();
        assert_eq!(response.header("etag"), format!("\"{}\"", 1 + u64::from(confirmed)));
        assert_eq!((&cancelled["status"], &cancelled["cancelReason"]), (&"cancelled".into(), &"buyer".into()));
        assert_eq!(read(&app, &buyer, &order).await, cancelled);
        let expected =
            if confirmed { way(&["created", "confirmed", "cancelled"]) } else { way(&["created", "cancelled"]) };
        assert_eq!(changes(&app, &order).await, expected);
        place(&app, &rival, &ticket).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_cancel() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    app.request("DELETE", &path(&order)).send().await.expect(401);
    cancel(&app, &app.signer.user(), &order).send().await.expect(404);
    app.request("DELETE", &format!("/api/orders/{}", OrderId::new())).by(&buyer).send().await.expect(404);
    app.request("DELETE", "/api/orders/x").by(&buyer).send().await.expect(400);
    assert_eq!(read(&app, &buyer, &order).await, order);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_is_refused_and_the_present_one_is_not() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    confirm(&app, &ticket, &order).await;
    let response = cancel(&app, &buyer, &order).header("if-match", "\"0\"").send().await.expect(412);
    assert_eq!(response.problem(), "precondition-failed");
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
    cancel(&app, &buyer, &order).header("if-match", "\"1\"").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_won_or_over_stays() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    confirm(&app, &ticket, &order).await;
    let payment = payment(&order, PaymentStatus::Authorizing);
    for (status, problem) in
        [(PaymentStatus::Authorized, "order-authorized"), (PaymentStatus::Captured, "order-completed")]
    {
        let (change, version, state) = step(&payment, status);
        app.handle(&app.event(change, payment.id, version, state)).await.unwrap();
        let before = read(&app, &buyer, &order).await;
        assert_eq!(cancel(&app, &buyer, &order).send().await.expect(409).problem(), problem);
        assert_eq!(read(&app, &buyer, &order).await, before);
    }
    // Sold: the ticket stays taken for ever.
    let response = crate::support::post(&app, &app.signer.user(), &ticket).await.expect(409);
    assert_eq!(response.problem(), "ticket-taken");

    let order = place(&app, &buyer, &known(&app).await).await;
    cancel(&app, &buyer, &order).send().await.expect(200);
    assert_eq!(cancel(&app, &buyer, &order).send().await.expect(409).problem(), "order-closed");
    assert_eq!(changes(&app, &order).await, way(&["created", "cancelled"]));
}
