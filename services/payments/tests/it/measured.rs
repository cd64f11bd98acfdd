//! What is told of the card network, and of payments that it leaves hanging.

use std::time::Duration;

use serde_json::json;
use testkit::app::eventually;

use crate::support::{DECLINED, SECURE, Shop, VISA};

async fn calls(shop: &Shop, operation: &str, outcome: &str) -> Option<f64> {
    let labels = format!("{{operation=\"{operation}\",outcome=\"{outcome}\",provider=\"stripe\"}}");
    shop.app.metric(&format!("provider_call_duration_seconds_count{labels}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_counted_by_what_came_of_it() {
    let shop = Shop::open_with(&[("PROVIDER_TIMEOUT", "250ms")]).await;
    // Nothing is counted before somebody has asked for the first time; a service asks when it starts.
    assert_eq!(calls(&shop, "authorize", "authorized").await, None);
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, DECLINED).await.expect(402);
    shop.pay(&buyer, &order, VISA).await.expect(201);
    let other = shop.order(&buyer).await;
    shop.faults(&json!({ "latencyMs": 2_000, "paths": ["POST /v1/payment_intents"] })).await;
    shop.pay(&buyer, &other, VISA).await.expect(503);
    shop.faults(&json!({})).await;
    for (operation, outcome) in
        [("authorize", "declined"), ("cancel", "cancelled"), ("authorize", "authorized"), ("authorize", "unknown")]
    {
        // One whose answer is lost is asked again.
        assert!(calls(&shop, operation, outcome).await >= Some(1.0), "{operation} {outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_nobody_settles_is_told_with_its_age() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let age = async || shop.app.metric("payments_unsettled_oldest_age_seconds").await;
    eventually("none", async || age().await == Some(0.0)).await;
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, SECURE).await.expect(202);
    shop.app.clock.advance(Duration::from_secs(3_000));
    eventually("its age", async || age().await >= Some(3_000.0)).await;
}
