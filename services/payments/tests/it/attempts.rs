//! The maximum number of payments of one order.

use futures::future::join_all;
use serde_json::json;

use crate::support::{DECLINED, SECURE, Shop, VISA};

#[tokio::test(flavor = "multi_thread")]
async fn eleventh_payment_method_is_rejected() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let (order, another) = (shop.order(&buyer).await, shop.order(&buyer).await);
    // A well-formed but unknown payment method counts as an attempt, too.
    assert_eq!(shop.pay(&buyer, &order, "pm_unknown").await.expect(400).fields(), ["paymentMethod"]);
    for _ in 0..9 {
        shop.pay(&buyer, &order, DECLINED).await.expect(402);
    }
    let rejected = shop.pay(&buyer, &order, VISA).await.expect(429);
    assert_eq!(rejected.problem(), "rate-limited");
    let wait: u64 = rejected.header("retry-after").parse().unwrap();
    assert!((840..=900).contains(&wait), "until the hold ends: {wait}");
    assert_eq!(shop.intents().await.len(), 9, "a rejected attempt never reaches the provider");
    shop.pay(&buyer, &another, VISA).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_cannot_exceed_the_limit() {
    let shop = Shop::open_with(&[("PAYMENT_ATTEMPTS", "4")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    for _ in 0..6 {
        for response in join_all((0..20).map(|_| shop.pay(&buyer, &order, DECLINED))).await {
            assert!([402, 409, 429].contains(&response.status), "{response:?}");
        }
    }
    shop.pay(&buyer, &order, DECLINED).await.expect(429);
    shop.app.wait_until_idle().await;
    let events = shop.app.events("payments").await;
    assert_eq!(events.iter().filter(|event| event.kind == "payment.started.v1").count(), 4);
    assert_eq!(shop.intents().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_attempt_is_not_superseded_by_one_beyond_the_limit() {
    let shop = Shop::open_with(&[("PAYMENT_ATTEMPTS", "1")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.pay(&buyer, &order, VISA).await.expect(429);
    shop.authenticate(&payment, "succeed").await;
    assert_eq!(shop.refresh(&buyer, &payment).await.expect(200).json()["status"], "authorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_payment_method_is_rejected_before_anything_is_stored() {
    let shop = Shop::open_with(&[("PAYMENT_ATTEMPTS", "1")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    for method in ["visa", "pm_", "4242424242424242", "tok_visa", "pm_card visa", "pm_card_visa'", "PM_card_visa"] {
        assert_eq!(shop.pay(&buyer, &order, method).await.expect(400).fields(), ["paymentMethod"], "{method}");
    }
    shop.app.wait_until_idle().await;
    assert_eq!(shop.app.events("payments").await.len(), 0);
    assert_eq!(shop.provider_state().await["paymentIntents"], json!([]));
    shop.pay(&buyer, &order, VISA).await.expect(201);
}
