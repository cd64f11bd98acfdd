//! After a restore: what the card network has and no payment knows of is given back, and nothing else is touched.

use common::events::order::{OrderChange, OrderState};
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::users::User;

use crate::support::{SECURE, Shop, VISA, id, won};

async fn orphans(shop: &Shop, settle: bool) -> Vec<Value> {
    let wanted = json!({ "since": "2020-01-01T00:00:00Z", "settle": settle });
    let answer = shop.app.admin("POST", "/orphans").json(&wanted).send().await.expect(200).json();
    answer["orphans"].as_array().unwrap().clone()
}

fn outcomes(orphans: &[Value]) -> Vec<&str> {
    let mut outcomes: Vec<_> = orphans.iter().map(|orphan| orphan["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    outcomes
}

async fn paid(shop: &Shop, buyer: &User) -> (OrderState, Value) {
    let order = shop.order(buyer).await;
    let payment = shop.pay(buyer, &order, VISA).await.expect(201).json();
    (order, payment)
}

/// As a restored database is: it knows nothing of the payment.
async fn forget(shop: &Shop, payment: &Value) {
    let payments = shop.app.context.database.collection::<Document>("payments");
    let forgotten = payments.delete_one(doc! { "_id": id(payment).to_string() }).await.unwrap();
    assert_eq!(forgotten.deleted_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_payment_knows_of_is_given_back() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let (_, known) = paid(&shop, &buyer).await;
    let (order, charged) = paid(&shop, &buyer).await;
    shop.tell(OrderChange::Authorized, 2, &won(&order, &charged)).await;
    let (_, set_aside) = paid(&shop, &buyer).await;
    let order = shop.order(&buyer).await;
    let asked = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    assert_eq!(orphans(&shop, true).await, Vec::<Value>::new());
    for payment in [&charged, &set_aside, &asked] {
        forget(&shop, payment).await;
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
async fn every_unfinished_payment_is_looked_up_when_asked() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&payment, "succeed").await;
    let reconcile = async || shop.app.admin("POST", "/reconcile").send().await.expect(200).json();
    assert_eq!(reconcile().await, json!({ "lookedUp": 1, "failed": 0 }));
    assert_eq!(shop.read(&buyer, &payment).await["status"], "authorized");
}
