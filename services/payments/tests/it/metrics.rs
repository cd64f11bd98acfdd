//! Metrics of provider calls and of unsettled payments.

use std::time::Duration;

use serde_json::json;
use testkit::app::eventually;

use crate::support::{DECLINED, SECURE, Shop, VISA};

/// Number of calls with this outcome, from the first read of the metrics on.
pub(crate) async fn calls(shop: &Shop, operation: &str, outcome: &str) -> Option<f64> {
    let labels = format!("{{operation=\"{operation}\",outcome=\"{outcome}\",provider=\"stripe\"}}");
    shop.app.metric(&format!("provider_call_duration_seconds_count{labels}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_calls_are_counted_by_outcome() {
    let shop = Shop::open_with(&[("PROVIDER_TIMEOUT", "250ms")]).await;
    // The first read starts the counting.
    assert_eq!(calls(&shop, "authorize", "authorized").await, None);
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    // The service also cancels the intent of the declined payment.
    shop.pay(&buyer, &order, DECLINED).await.expect(402);
    shop.pay(&buyer, &order, VISA).await.expect(201);
    let other = shop.order(&buyer).await;
    shop.faults(&json!({ "latencyMs": 2_000, "paths": ["POST /v1/payment_intents"] })).await;
    shop.pay(&buyer, &other, VISA).await.expect(503);
    shop.faults(&json!({})).await;
    for (operation, outcome) in
        [("authorize", "declined"), ("cancel", "cancelled"), ("authorize", "authorized"), ("authorize", "unknown")]
    {
        // A call with a lost response is retried, so there may be more than one.
        assert!(calls(&shop, operation, outcome).await >= Some(1.0), "{operation} {outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn age_of_the_oldest_unsettled_payment_is_reported() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let age = async || shop.app.metric("payments_unsettled_oldest_age_seconds").await;
    eventually("no unsettled payment", async || age().await == Some(0.0)).await;
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, SECURE).await.expect(202);
    shop.app.clock.advance(Duration::from_secs(3_000));
    eventually("the payment's age", async || age().await >= Some(3_000.0)).await;
}
