//! The lifecycle of an order through the streams: success, refusal and a failed capture.

use common::events::payment::{PaymentChange, PaymentStatus};
use common::events::ticket::TicketChange;
use serde_json::json;

use crate::support::{
    app, changes, expected_changes, id_of, listing, payment, payment_transition, place, read, reserved, with_refusal,
};

#[tokio::test(flavor = "multi_thread")]
async fn order_is_confirmed_authorized_and_completed() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), listing(&app));
    app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
    app.wait_until_idle().await;

    let order = place(&app, &buyer, &ticket).await;
    app.publish(TicketChange::Reserved, ticket.terms.id, 1, reserved(&ticket, id_of(&order))).await;
    app.wait_until_idle().await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");

    let payment = payment(&order, PaymentStatus::Authorizing);
    app.publish(PaymentChange::Started, payment.id, 0, payment.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
    for (status, expected) in [(PaymentStatus::Authorized, "authorized"), (PaymentStatus::Captured, "completed")] {
        let (change, version, state) = payment_transition(&payment, status);
        app.publish(change, payment.id, version, state).await;
        app.wait_until_idle().await;
        assert_eq!(read(&app, &buyer, &order).await["status"], expected);
    }

    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "confirmed", "authorized", "completed"]));
    // From the authorisation on, the order names its payment; every event contains the whole payload.
    let events = app.events("orders").await;
    let named: Vec<_> = events.iter().map(|event| event.data["paymentId"].clone()).collect();
    assert_eq!(named, [json!(null), json!(null), json!(payment.id), json!(payment.id)]);
    assert!(events.iter().all(|event| event.data["ticket"] == json!(ticket.terms)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_order_shows_the_reason_and_frees_the_ticket() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), listing(&app));
    app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
    app.wait_until_idle().await;
    let order = place(&app, &buyer, &ticket).await;
    app.publish(TicketChange::Refused, ticket.terms.id, 1, with_refusal(&ticket, id_of(&order))).await;
    app.wait_until_idle().await;
    let seen = read(&app, &buyer, &order).await;
    assert_eq!((&seen["status"], &seen["cancelReason"]), (&json!("cancelled"), &json!("refused")));
    let new_price = json!({ "amount": 20_000, "currency": "USD" });
    assert_eq!(seen["refusal"], json!({ "reason": "priceChanged", "price": new_price }));
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "cancelled"]));
    place(&app, &buyer, &ticket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_capture_cancels_the_order() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), listing(&app));
    app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
    app.wait_until_idle().await;
    let order = place(&app, &buyer, &ticket).await;
    app.publish(TicketChange::Reserved, ticket.terms.id, 1, reserved(&ticket, id_of(&order))).await;
    let payment = payment(&order, PaymentStatus::Authorizing);
    for status in [PaymentStatus::Authorized, PaymentStatus::Failed] {
        let (change, version, state) = payment_transition(&payment, status);
        app.publish(change, payment.id, version, state).await;
        app.wait_until_idle().await;
    }
    let seen = read(&app, &buyer, &order).await;
    assert_eq!((&seen["status"], &seen["cancelReason"]), (&json!("cancelled"), &json!("paymentFailed")));
    assert_eq!(seen["refusal"], json!(null));
}
