//! The reconciler completes payments whose response was lost, and charges once.

use std::time::{Duration, Instant};

use common::aggregate::Aggregate;
use common::events::order::OrderChange;
use futures::{StreamExt, stream};
use mongodb::bson::{Document, doc};
use payments::domain::payment::Payment;
use serde_json::json;
use testkit::app::eventually;

use crate::support::{DECLINED, SECURE, Shop, VISA, authorized_by};

const FAST_RECONCILE: [(&str, &str); 2] = [("RECONCILE_AFTER", "300ms"), ("PROVIDER_TIMEOUT", "250ms")];

#[tokio::test(flavor = "multi_thread")]
async fn lost_response_is_recovered_and_charged_once() {
    let shop = Shop::open_with(&FAST_RECONCILE).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    // The call ends long after it timed out.
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
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &paid)).await;
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&paid).await, ["started", "authorizationDelayed", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_payment_is_authorized() {
    let shop = Shop::open_with(&FAST_RECONCILE).await;
    let buyer = shop.app.signer.user();
    // The clock of the second payment's process was ahead.
    for ahead in [Duration::ZERO, Duration::from_secs(3600)] {
        let order = shop.order(&buyer).await;
        let payment = shop.insert_abandoned_payment(&order, VISA, ahead, "").await;
        let payment = shop.wait_for_status(&buyer, &payment, "authorized").await;
        assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized"]);
    }
    assert_eq!(shop.intents().await, ["requires_capture", "requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn passed_3d_secure_is_found_without_a_webhook() {
    let shop = Shop::open_with(&FAST_RECONCILE).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.authenticate(&payment, "succeed").await;
    shop.wait_for_status(&buyer, &payment, "authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_payments_do_not_delay_others() {
    let shop = Shop::open_with(&FAST_RECONCILE).await;
    let buyer = shop.app.signer.user();
    let left_open = async |_: usize| {
        let order = shop.order(&buyer).await;
        shop.pay(&buyer, &order, SECURE).await.expect(202).json()
    };
    // There is more than a page of older payments, and more than a page of newer ones.
    stream::iter(0..110).map(left_open).buffer_unordered(8).collect::<Vec<_>>().await;
    let payment = left_open(110).await;
    stream::iter(0..110).map(left_open).buffer_unordered(8).collect::<Vec<_>>().await;
    shop.authenticate(&payment, "succeed").await;
    shop.wait_for_status(&buyer, &payment, "authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn final_payments_are_not_examined() {
    let shop = Shop::open_with(&FAST_RECONCILE).await;
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
    let mut query = None;
    eventually("a run to find the idle payment", async || {
        query = database.collection::<Document>("system.profile").find_one(found.clone()).await.unwrap();
        query.is_some()
    })
    .await;
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let query = query.unwrap();
    assert_eq!(query.get_i32("docsExamined").unwrap(), 1, "{query}");
}

/// The instances take turns: otherwise both would look up every payment in each interval.
#[tokio::test(flavor = "multi_thread")]
async fn two_instances_look_up_a_payment_once_per_round() {
    let shop = Shop::open_with(&[("RECONCILE_AFTER", "2s")]).await;
    let other = shop.app.start_second_instance(payments::build).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, SECURE).await.expect(202);
    let turns = shop.app.context.database.collection::<Document>("turns");
    let rounds = async || {
        let turn = turns.find_one(doc! { "_id": "reconcile payments" }).await.unwrap();
        turn.map_or(0, |turn| turn.get_i64("turn").unwrap())
    };
    shop.app.clock.advance(Duration::from_secs(10));
    let (first, started) = (rounds().await, Instant::now());
    eventually("six rounds", async || rounds().await >= first + 6).await;
    // Rounds are attempted every second (half of `RECONCILE_AFTER`) and are at least 750 ms apart, whatever the number
    // of instances.
    assert!(started.elapsed() >= Duration::from_millis(5 * 750), "{:?}", started.elapsed());
    let last = rounds().await;
    let metrics = shop.app.monitor("/metrics").send().await.expect(200).text();
    let calls = metrics.lines().filter(|line| line.starts_with("provider_call_duration_seconds_count{"));
    let calls = calls.filter(|line| line.contains(r#"operation="lookUp""#)).filter_map(|line| line.rsplit(' ').next());
    let looked_up: i64 = calls.map(|count| count.parse::<i64>().unwrap()).sum();
    // A round may have begun since `last` was read.
    assert!((4..=last + 1).contains(&looked_up), "{looked_up} lookups by both instances in {last} rounds");
    drop(other);
}
