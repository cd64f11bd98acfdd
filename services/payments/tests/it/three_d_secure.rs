//! 3-D Secure: passed, failed, given up.

use common::events::order::{CancelReason, OrderChange};

use crate::support::{SECURE, Shop, VISA, cancelled, won};

#[tokio::test(flavor = "multi_thread")]
async fn passing_authorises() {
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
    shop.tell(OrderChange::Authorized, 2, &won(&order, &payment)).await;
    assert_eq!(shop.history(&payment).await, ["started", "actionRequired", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_declines_and_another_card_may_be_tried() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&payment, "fail").await;
    let refreshed = shop.refresh(&buyer, &payment).await.expect(200).json();
    assert_eq!(refreshed["status"], "declined");
    assert_eq!(refreshed["declineReason"], "payment_intent_authentication_failure");
    assert_eq!(shop.intents().await, ["canceled"], "the browser's secret can't revive it");
    shop.pay(&buyer, &order, VISA).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_supersedes_an_unfinished_one() {
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
async fn one_that_was_passed_meanwhile_is_not_superseded() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let first = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&first, "succeed").await;
    // Cancelling gives the authorisation back, so the second card is the one that pays.
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.intents().await, ["canceled", "requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_order_voids_it() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.tell(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "voided");
    assert_eq!(shop.intents().await, ["canceled"]);
    assert_eq!(shop.history(&payment).await, ["started", "actionRequired", "voided"]);
}
