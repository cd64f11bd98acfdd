//! Repairs on the admin port: POST /void returns what was paid for a closed or lost order, and POST /raise asks the
//! provider what a payment has missed.

use common::events::order::{CancelReason, OrderChange};
use common::id::PaymentId;
use serde_json::{Value, json};
use testkit::app::request::Response;

use crate::support::{SECURE, Shop, VISA, authorized_by, cancelled, id};

async fn void(shop: &Shop, payment: &Value, order_is_lost: bool) -> Response {
    let body = json!({ "id": payment["id"], "orderIsLost": order_is_lost });
    shop.app.admin("POST", "/void").json(&body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_of_a_lost_order_is_voided_or_refunded() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let authorized = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let order = shop.order(&buyer).await;
    let pending = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    let order = shop.order(&buyer).await;
    let charged = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &charged)).await;
    assert_eq!(shop.intents().await, ["requires_capture", "requires_action", "succeeded"]);

    // As far as this service knows, the buyers can still pay for these orders, or have paid.
    for payment in [&authorized, &pending, &charged] {
        let refused = void(&shop, payment, false).await.expect(409).json();
        assert!(refused["type"].as_str().unwrap().ends_with("order-open"), "{refused}");
    }
    assert_eq!(shop.intents().await, ["requires_capture", "requires_action", "succeeded"]);
    for _ in 0..2 {
        for (payment, status) in [(&authorized, "voided"), (&pending, "voided"), (&charged, "captured")] {
            let voided = void(&shop, payment, true).await.expect(200).json();
            assert_eq!(voided, json!({ "status": status, "isSettled": true }));
        }
    }
    assert_eq!(shop.intents().await, ["canceled", "canceled", "succeeded"]);
    assert_eq!(shop.read(&buyer, &charged).await["refunded"]["amount"], charged["amount"]);
    assert_eq!(shop.refund_keys().await.len(), 1);
}

/// The process crashed before it called the provider, so nothing can be voided before the result is known.
#[tokio::test(flavor = "multi_thread")]
async fn payment_without_a_result_is_authorised_before_it_is_voided() {
    let shop = Shop::open().await;
    let order = shop.order(&shop.app.signer.user()).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, std::time::Duration::ZERO, "").await;
    let voided = void(&shop, &payment, true).await.expect(200).json();
    assert_eq!(voided, json!({ "status": "voided", "isSettled": true }));
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_of_a_cancelled_order_is_voided() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Buyer)).await;
    let voided = void(&shop, &payment, false).await.expect(200).json();
    assert_eq!(voided, json!({ "status": "voided", "isSettled": true }));
    void(&shop, &json!({ "id": PaymentId::new() }), true).await.expect(404);
    shop.app.admin("POST", "/void").json(&json!({ "id": id(&payment), "force": true })).send().await.expect(400);
}

/// The database was restored to the moment before the charge.
#[tokio::test(flavor = "multi_thread")]
async fn raised_payment_is_synchronised_with_the_provider() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    assert_eq!(shop.stored(&payment).await.version, 1);
    let reference = payment["providerRef"].as_str().unwrap();
    shop.dashboard(&format!("/payment_intents/{reference}/capture"), &[]).await;
    let body = json!({ "id": payment["id"], "above": 5 });
    let raised = shop.app.admin("POST", "/raise").json(&body).send().await.expect(200).json();
    assert_eq!(raised, json!({ "version": 6, "isWritten": true }));
    let stored = shop.stored(&payment).await;
    assert_eq!((stored.version, stored.is_captured()), (7, true));
    // A payment's events do not carry its whole state, such as its ledger.
    let body = json!({ "id": payment["id"], "above": 9, "state": payment });
    shop.app.admin("POST", "/raise").json(&body).send().await.expect(400);
}
