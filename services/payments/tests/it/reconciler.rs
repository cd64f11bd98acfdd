//! Payments whose answer was lost: finished later, charged once.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::events::order::OrderChange;
use futures::{StreamExt, stream};
use mongodb::bson::{Document, doc};
use payments::domain::payment::Payment;
use serde_json::json;
use testkit::app::eventually;

use crate::support::{DECLINED, SECURE, Shop, VISA, won};

const EAGER: [(&str, &str); 2] = [("RECONCILE_AFTER", "300ms"), ("PROVIDER_TIMEOUT", "250ms")];

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_asked_for_again_and_charged_once() {
    let shop = Shop::open_with(&EAGER).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    // The call is slow: it lands long after everybody stopped waiting for it.
    shop.faults(&json!({ "latencyMs": 2_000, "paths": ["POST /v1/payment_intents"] })).await;
    shop.pay(&buyer, &order, VISA).await.expect(503);
    shop.faults(&json!({})).await;
    let mut paid = json!(null);
    eventually("the payment to be authorised", async || {
        let events = shop.app.events("payments").await;
        let event = events.into_iter().find(|event| event.kind == "payment.authorized.v1");
        paid = event.map_or(json!(null), |event| event.data);
        !paid.is_null()
    })
    .await;
    shop.tell(OrderChange::Authorized, 2, &won(&order, &paid)).await;
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&paid).await, ["started", "authorizationDelayed", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_died_before_asking_is_asked_for() {
    let shop = Shop::open_with(&EAGER).await;
    let buyer = shop.app.signer.user();
    // The second one's clock was ahead.
    for ahead in [Duration::ZERO, Duration::from_secs(3600)] {
        let order = shop.order(&buyer).await;
        let payment = shop.left_behind(&order, VISA, ahead, "").await;
        let payment = shop.becomes(&buyer, &payment, "authorized").await;
        assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized"]);
    }
    assert_eq!(shop.intents().await, ["requires_capture", "requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_3d_secure_step_without_any_news_is_noticed() {
    let shop = Shop::open_with(&EAGER).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&payment, "succeed").await;
    shop.becomes(&buyer, &payment, "authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_go_on_resting_keep_nobody_waiting() {
    let shop = Shop::open_with(&EAGER).await;
    let buyer = shop.app.signer.user();
    let left_open = async |_: usize| {
        let order = shop.order(&buyer).await;
        shop.pay(&buyer, &order, SECURE).await.expect(202).json()
    };
    // More than a page of older ones, and more than a page of newer ones.
    stream::iter(0..110).map(left_open).buffer_unordered(8).collect::<Vec<_>>().await;
    let payment = left_open(110).await;
    stream::iter(0..110).map(left_open).buffer_unordered(8).collect::<Vec<_>>().await;
    shop.authenticate(&payment, "succeed").await;
    shop.becomes(&buyer, &payment, "authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_are_over_are_not_looked_through() {
    let shop = Shop::open_with(&EAGER).await;
    let buyer = shop.app.signer.user();
    for _ in 0..10 {
        let order = shop.order(&buyer).await;
        shop.pay(&buyer, &order, DECLINED).await.expect(402);
    }
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, SECURE).await.expect(202);
    let database = &shop.app.context.database;
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    let found = doc! { "command.find": Payment::COLLECTION, "command.filter.$or": { "$exists": true }, "nreturned": 1 };
    let mut round = None;
    eventually("a round to find the one that rests", async || {
        round = database.collection::<Document>("system.profile").find_one(found.clone()).await.unwrap();
        round.is_some()
    })
    .await;
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let round = round.unwrap();
    assert_eq!(round.get_i32("docsExamined").unwrap(), 1, "{round}");
}
