//! Tests of the repairs on the admin port: POST /void voids or refunds the payment of a closed or lost order, and
//! POST /raise synchronises a payment with the provider.

use common::events::order::{CancelReason, OrderChange};
use common::id::PaymentId;
use serde_json::{Value, json};
use testkit::app::request::Response;

use crate::support::{SECURE, Shop, VISA, authorized_by, cancelled, id};

/// The version of the newest order of these tests.
const NEWEST: u64 = 2;

async fn void(shop: &Shop, payment: &Value, order_is_lost: bool) -> Response {
    let body = json!({ "id": payment["id"], "orderIsLost": order_is_lost, "orderVersion": NEWEST });
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
    shop.publish_order(OrderChange::Authorized, NEWEST, &authorized_by(&order, &charged)).await;
    assert_eq!(shop.intents().await, ["requires_capture", "requires_action", "succeeded"]);

    // According to this service's replicas, these orders can still be paid, or have been paid.
    for payment in [&authorized, &pending, &charged] {
        let rejected = void(&shop, payment, false).await.expect(409).json();
        assert!(rejected["type"].as_str().unwrap().ends_with("order-open"), "{rejected}");
    }
    // The caller has read an older replica of the order, or none: `orders` has written the order again since (a raise).
    for version in [json!(NEWEST - 1), json!(null)] {
        let body = json!({ "id": charged["id"], "orderIsLost": true, "orderVersion": version });
        let rejected = shop.app.admin("POST", "/void").json(&body).send().await.expect(409).json();
        assert!(rejected["type"].as_str().unwrap().ends_with("order-changed"), "{rejected}");
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

/// The process crashed before it called the provider. The void makes that call first, because a payment can be voided
/// only when its result is known.
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

/// Simulates a restore of the database to a moment before the charge: the intent is captured, but the payment is not.
#[tokio::test(flavor = "multi_thread")]
async fn raised_payment_is_synchronised_with_the_provider() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    assert_eq!(shop.stored(&payment).await.version, 1);
    let reference = payment["providerRef"].as_str().unwrap();
    shop.change_at_provider(&format!("/payment_intents/{reference}/capture"), &[]).await;
    let body = json!({ "id": payment["id"], "above": 5 });
    let raised = shop.app.admin("POST", "/raise").json(&body).send().await.expect(200).json();
    assert_eq!(raised, json!({ "version": 6, "isWritten": true }));
    let stored = shop.stored(&payment).await;
    assert_eq!((stored.version, stored.is_captured()), (7, true));
    // A payment's events do not carry its whole state, such as its ledger.
    let body = json!({ "id": payment["id"], "above": 9, "state": payment });
    shop.app.admin("POST", "/raise").json(&body).send().await.expect(400);
}
