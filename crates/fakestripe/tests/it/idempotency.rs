//! Idempotency keys: replay, conflicts, and responses that are not stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fakestripe::{Clock, Config};
use reqwest::Method;
use serde_json::json;

use crate::client::{Server, wait_until};

const INTENTS: &str = "/v1/payment_intents";
const GOOD: [(&str, &str); 2] = [("amount", "500"), ("currency", "usd")];

#[tokio::test]
async fn first_response_is_replayed() {
    let server = Server::start().await;
    let first = server.post_idempotent("k", INTENTS, &GOOD).await;
    let again = server.post_idempotent("k", INTENTS, &GOOD).await;
    assert_eq!(first.header("idempotency-key"), "k");
    assert_eq!(first.header("original-request"), first.header("request-id"));
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    assert_eq!(first.ok(), again.ok());
    assert_eq!(server.events().await.len(), 1);
}

#[tokio::test]
async fn card_decline_is_replayed() {
    let server = Server::start().await;
    let form =
        [("amount", "500"), ("currency", "usd"), ("confirm", "true"), ("payment_method", "pm_card_chargeDeclined")];
    let first = server.post_idempotent("k", INTENTS, &form).await;
    let again = server.post_idempotent("k", INTENTS, &form).await;
    assert_eq!((first.status, again.status), (402, 402));
    assert_eq!(first.json, again.json);
    assert_eq!(server.state().await["charges"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn key_with_other_parameters_or_path_is_rejected() {
    let server = Server::start().await;
    server.post_idempotent("k", INTENTS, &GOOD).await.ok();
    let form = [("amount", "501"), ("currency", "usd")];
    let other = server.post_idempotent("k", INTENTS, &form).await;
    assert_eq!(other.status, 400);
    assert_eq!(other.error("type"), "idempotency_error");
    let other = server.post_idempotent("k", "/v1/refunds", &GOOD).await;
    assert_eq!(other.error("type"), "idempotency_error");
}

#[tokio::test]
async fn validation_error_does_not_consume_the_key() {
    let server = Server::start().await;
    let wrong = server.post_idempotent("k", INTENTS, &[("amount", "500")]).await;
    assert_eq!(wrong.status, 400);
    server.post_idempotent("k", INTENTS, &GOOD).await.ok();
}

#[tokio::test]
async fn key_in_use_is_409() {
    let server = Server::start().await;
    let slow = json!({"latencyMs": 1500});
    server.control(Method::PUT, "/_fake/faults", slow).await.ok();
    let first = server.post_idempotent("k", INTENTS, &GOOD);
    let second = async {
        wait_until(|| async { server.state().await["idempotencyKeys"] == 1 }).await;
        server.post_idempotent("k", INTENTS, &GOOD).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.status, 409);
    assert_eq!(second.error("code"), "idempotency_key_in_use");
    first.ok();
}

#[tokio::test]
async fn a_500_after_processing_is_replayed() {
    let server = Server::start().await;
    let fault = json!({"error500AfterProcessing": 1, "paths": ["/v1/payment_intents"]});
    server.control(Method::PUT, "/_fake/faults", fault).await.ok();
    let first = server.post_idempotent("k", INTENTS, &GOOD).await;
    let again = server.post_idempotent("k", INTENTS, &GOOD).await;
    assert_eq!((first.status, again.status), (500, 500));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let state = server.state().await;
    assert_eq!(state["paymentIntents"].as_array().unwrap().len(), 1);
    server.post_idempotent("other", INTENTS, &GOOD).await.ok();
}

#[tokio::test]
async fn key_expires_after_a_day() {
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = Clock::new({
        let now = Arc::clone(&now);
        move || now.load(Ordering::SeqCst)
    });
    let server = Server::with(Config { clock, ..Config::default() }).await;
    let fault = json!({"error500BeforeProcessing": 1});
    server.control(Method::PUT, "/_fake/faults", fault).await.ok();
    for (after, status) in [(0, 500), (24 * 3600, 500), (1, 200), (0, 200)] {
        now.fetch_add(after, Ordering::SeqCst);
        assert_eq!(server.post_idempotent("k", INTENTS, &GOOD).await.status, status);
    }
    let state = server.state().await;
    assert_eq!(state["paymentIntents"][0]["created"], 1_800_000_000 + 24 * 3600 + 1);
    assert_eq!(state["paymentIntents"].as_array().unwrap().len(), 1);
}
