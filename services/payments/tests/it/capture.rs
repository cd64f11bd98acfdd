//! Capturing what won and giving back the rest, whatever the card network does meanwhile.

use std::time::Duration;

use common::events::envelope::Envelope;
use common::events::order::{CancelReason, OrderChange, OrderState};
use serde_json::{Value, json};
use testkit::app::eventually;

use crate::support::{Shop, VISA, cancelled, won};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_closed_before_the_answer_is_voided_and_the_buyer_told() {
    for (reason, status, code) in
        [(CancelReason::Expired, 410, "hold-expired"), (CancelReason::Buyer, 409, "order-closed")]
    {
        let shop = Shop::open().await;
        let buyer = shop.app.signer.user();
        let order = shop.order(&buyer).await;
        shop.faults(&json!({ "latencyMs": 700, "paths": ["POST /v1/payment_intents"] })).await;
        let (paid, ()) = tokio::join!(shop.pay(&buyer, &order, VISA), async {
            eventually("the payment to be stored", async || !shop.app.events("payments").await.is_empty()).await;
            shop.app.publish(OrderChange::Cancelled, order.id, 2, cancelled(&order, reason)).await;
        });
        assert_eq!(paid.expect(status).problem(), code);
        assert_eq!(shop.intents().await, ["canceled"]);
        shop.app.wait_until_idle().await;
        let last = shop.app.events("payments").await.into_iter().max_by_key(|event| event.entityversion).unwrap();
        assert_eq!(last.kind, "payment.voided.v1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_of_a_closed_order_is_given_back() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.tell(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "voided");
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_fails_is_tried_again() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.faults(&json!({ "error500BeforeWork": 2, "paths": ["/capture"] })).await;
    shop.tell(OrderChange::Authorized, 2, &won(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captureDelayed", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_whose_answer_is_lost_is_believed_when_it_is_looked_up() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.faults(&json!({ "error500AfterWork": 1.0, "paths": ["/capture"] })).await;
    shop.tell(OrderChange::Authorized, 2, &won(&order, &payment)).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_ours_that_outlasts_our_patience_loses_no_order() {
    let shop = Shop::open_with(&[("CAPTURE_RETRY_WINDOW", "1m")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    // Won at once, and told to a service that was away for an hour.
    shop.app.clock.advance(Duration::from_secs(3_600));
    shop.tell(OrderChange::Authorized, 2, &won(&order, &payment)).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

/// A won order whose first capture has failed, longer ago than we are patient.
async fn out_of_patience(faults: &Value) -> (Shop, Value, Envelope<OrderState>) {
    let shop = Shop::open_with(&[("CAPTURE_RETRY_WINDOW", "1m")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.faults(faults).await;
    let event = shop.app.event(OrderChange::Authorized, order.id, 2, won(&order, &payment));
    assert!(shop.app.handle(&event).await.is_err());
    shop.app.clock.advance(Duration::from_secs(59));
    assert!(shop.app.handle(&event).await.is_err(), "patience counts from the capture that failed");
    shop.app.clock.advance(Duration::from_secs(2));
    (shop, payment, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_keeps_failing_is_given_up_at_the_provider_first() {
    let (shop, payment, event) =
        Box::pin(out_of_patience(&json!({ "error500BeforeWork": 1.0, "paths": ["/capture"] }))).await;
    shop.app.handle(&event).await.unwrap();
    assert_eq!(shop.intents().await, ["canceled"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captureDelayed", "failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_tried_once_more_before_it_is_given_up() {
    let (shop, payment, event) =
        Box::pin(out_of_patience(&json!({ "error500BeforeWork": 2, "paths": ["/capture"] }))).await;
    shop.app.handle(&event).await.unwrap();
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captureDelayed", "captured"]);
}
