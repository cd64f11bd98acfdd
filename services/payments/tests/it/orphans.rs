//! Tests of the admin routes for the time after a restore: POST /orphans refunds or cancels the intents that have no
//! payment, and POST /reconcile synchronises payments with the provider.

use std::time::Duration;

use common::events::order::{OrderChange, OrderState};
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::users::User;

use crate::support::{SECURE, Shop, VISA, authorized_by, id};

/// Requests the orphaned intents, and resolves them if `resolve` is set.
async fn orphans(shop: &Shop, resolve: bool) -> Vec<Value> {
    let request = json!({ "since": "2020-01-01T00:00:00Z", "resolve": resolve });
    let response = shop.app.admin("POST", "/orphans").json(&request).send().await.expect(200).json();
    response["orphans"].as_array().unwrap().clone()
}

/// Returns the outcomes of the orphans, sorted.
fn outcomes(orphans: &[Value]) -> Vec<&str> {
    let mut outcomes: Vec<_> = orphans.iter().map(|orphan| orphan["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    outcomes
}

/// Places an order and pays for it. Returns both; the payment is authorised.
async fn authorized_payment(shop: &Shop, buyer: &User) -> (OrderState, Value) {
    let order = shop.order(buyer).await;
    let payment = shop.pay(buyer, &order, VISA).await.expect(201).json();
    (order, payment)
}

/// Deletes the payment, as the restore of a backup from before the payment does.
async fn delete_payment(shop: &Shop, payment: &Value) {
    let payments = shop.app.context.database.collection::<Document>("payments");
    let deleted = payments.delete_one(doc! { "_id": id(payment).to_string() }).await.unwrap();
    assert_eq!(deleted.deleted_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_without_a_payment_are_settled_on_request() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let (_, known) = authorized_payment(&shop, &buyer).await;
    let (order, charged) = authorized_payment(&shop, &buyer).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &charged)).await;
    let (_, authorized) = authorized_payment(&shop, &buyer).await;
    let order = shop.order(&buyer).await;
    let pending = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    assert_eq!(orphans(&shop, true).await, Vec::<Value>::new());
    for payment in [&charged, &authorized, &pending] {
        delete_payment(&shop, payment).await;
    }

    assert_eq!(outcomes(&orphans(&shop, false).await), ["charged", "open", "open"]);
    assert_eq!(shop.intents().await, ["requires_capture", "succeeded", "requires_capture", "requires_action"]);
    let settled = orphans(&shop, true).await;
    assert_eq!(outcomes(&settled), ["cancelled", "cancelled", "refunded"]);
    let refunded = settled.iter().find(|orphan| orphan["outcome"] == "refunded").unwrap();
    assert_eq!(refunded["reference"], charged["providerRef"]);
    assert_eq!((&refunded["amount"], &refunded["currency"]), (&json!(12_550), &json!("usd")));
    assert_eq!(shop.intents().await, ["requires_capture", "succeeded", "canceled", "canceled"]);
    assert_eq!(orphans(&shop, true).await, Vec::<Value>::new());
    assert_eq!(shop.read(&buyer, &known).await["status"], "authorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_refund_of_an_orphan_is_repeated_with_another_key_the_next_day() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let (order, charged) = authorized_payment(&shop, &buyer).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &charged)).await;
    delete_payment(&shop, &charged).await;
    shop.faults(&json!({ "error500BeforeProcessing": 1, "paths": ["POST /v1/refunds"] })).await;
    assert_eq!(outcomes(&orphans(&shop, true).await), ["failed"]);
    shop.app.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(outcomes(&orphans(&shop, true).await), ["refunded"]);
    assert_eq!(orphans(&shop, true).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_request_synchronises_every_payment_that_is_not_final() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&payment, "succeed").await;
    let reconcile = async || shop.app.admin("POST", "/reconcile").send().await.expect(200).json();
    assert_eq!(reconcile().await, json!({ "lookedUp": 1, "failed": 0 }));
    assert_eq!(shop.read(&buyer, &payment).await["status"], "authorized");
}
