//! 3-D Secure: passed, failed, or superseded by another card.

use common::events::order::{CancelReason, OrderChange};

use crate::support::{SECURE, Shop, VISA, authorized_by, cancelled};

#[tokio::test(flavor = "multi_thread")]
async fn passing_authorizes_the_payment() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    assert_eq!(payment["status"], "requiresAction");
    assert_eq!(shop.refresh(&buyer, &payment).await.expect(200).json()["status"], "requiresAction");
    shop.authenticate(&payment, "succeed").await;
    let refreshed = shop.refresh(&buyer, &payment).await.expect(200).json();
    assert_eq!(refreshed["status"], "authorized");
    assert!(refreshed.get("clientSecret").is_none());
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.history(&payment).await, ["started", "actionRequired", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_declines_the_payment_and_allows_another_card() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&payment, "fail").await;
    let refreshed = shop.refresh(&buyer, &payment).await.expect(200).json();
    assert_eq!(refreshed["status"], "declined");
    assert_eq!(refreshed["declineReason"], "payment_intent_authentication_failure");
    assert_eq!(shop.intents().await, ["canceled"], "the browser's client secret can no longer confirm it");
    shop.pay(&buyer, &order, VISA).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_supersedes_a_pending_payment() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let first = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.pay(&buyer, &order, VISA).await.expect(201);
    let first = shop.read(&buyer, &first).await;
    assert_eq!((&first["status"], &first["declineReason"]), (&"declined".into(), &"superseded".into()));
    assert_eq!(shop.intents().await, ["canceled", "requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_supersedes_a_passed_payment_that_is_not_recorded_yet() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let first = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&first, "succeed").await;
    // The cancellation releases the authorisation, so the second card pays.
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.intents().await, ["canceled", "requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_order_voids_a_pending_payment() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "voided");
    assert_eq!(shop.intents().await, ["canceled"]);
    assert_eq!(shop.history(&payment).await, ["started", "actionRequired", "voided"]);
}
