//! Captures of authorised orders and voids of closed ones, with failures of the provider.
//!
//! In the faults, an integer is a number of requests and a float a probability: `1.0` means all requests.

use std::time::Duration;

use common::events::envelope::Envelope;
use common::events::order::{CancelReason, OrderChange, OrderState};
use serde_json::{Value, json};
use testkit::app::eventually;

use crate::support::{Shop, VISA, authorized_by, cancelled};

#[tokio::test(flavor = "multi_thread")]
async fn payment_is_voided_when_its_order_is_closed_during_the_call() {
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
async fn authorisation_of_a_closed_order_is_voided() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "voided");
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_capture_is_retried() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.faults(&json!({ "error500BeforeProcessing": 2, "paths": ["/capture"] })).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captureDelayed", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_with_a_lost_response_is_found_by_look_up() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.faults(&json!({ "error500AfterProcessing": 1.0, "paths": ["/capture"] })).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn service_outage_longer_than_the_retry_window_still_captures() {
    let shop = Shop::open_with(&[("CAPTURE_RETRY_WINDOW", "1m")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    // The order was authorised at once, but this service was down for an hour.
    shop.app.clock.advance(Duration::from_secs(3_600));
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

/// An authorised order whose first capture failed longer ago than the retry window.
async fn after_the_retry_window(faults: &Value) -> (Shop, Value, Envelope<OrderState>) {
    let shop = Shop::open_with(&[("CAPTURE_RETRY_WINDOW", "1m")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.faults(faults).await;
    let event = shop.app.event(OrderChange::Authorized, order.id, 2, authorized_by(&order, &payment));
    assert!(shop.app.handle(&event).await.is_err());
    shop.app.clock.advance(Duration::from_secs(59));
    assert!(shop.app.handle(&event).await.is_err(), "the window starts at the failed capture");
    shop.app.clock.advance(Duration::from_secs(2));
    (shop, payment, event)
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_capture_is_cancelled_at_the_provider_after_the_window() {
    let (shop, payment, event) =
        Box::pin(after_the_retry_window(&json!({ "error500BeforeProcessing": 1.0, "paths": ["/capture"] }))).await;
    shop.app.handle(&event).await.unwrap();
    assert_eq!(shop.intents().await, ["canceled"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captureDelayed", "failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_is_tried_once_more_before_it_is_cancelled() {
    let (shop, payment, event) =
        Box::pin(after_the_retry_window(&json!({ "error500BeforeProcessing": 2, "paths": ["/capture"] }))).await;
    shop.app.handle(&event).await.unwrap();
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captureDelayed", "captured"]);
}
