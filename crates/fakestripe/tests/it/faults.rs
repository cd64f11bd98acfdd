//! Fault injection through the control API. An integer n makes the next n requests fail, and a decimal number
//! is the probability that a request fails.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::client::{Server, wait_until};

const INTENTS: &str = "/v1/payment_intents";
const GOOD: [(&str, &str); 2] = [("amount", "500"), ("currency", "usd")];

#[tokio::test]
async fn a_500_before_processing_has_no_effect_and_is_replayed() {
    let server = Server::start().await;
    let faults = json!({"error500BeforeProcessing": 1, "error429": 1});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    assert_eq!(server.post_idempotent("k", INTENTS, &GOOD).await.status, 429);
    assert_eq!(server.post_idempotent("k", INTENTS, &GOOD).await.status, 500);
    let again = server.post_idempotent("k", INTENTS, &GOOD).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (500, "true"));
    assert!(server.events().await.is_empty());
    server.post_idempotent("other", INTENTS, &GOOD).await.ok();
    assert_eq!(server.events().await.len(), 1);
}

#[tokio::test]
async fn processing_continues_after_the_client_disconnects() {
    let server = Server::start().await;
    let faults = json!({"latencyMs": 300});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    let request = server.request(Method::POST, INTENTS).form(&GOOD);
    let timed_out = request.timeout(Duration::from_millis(100)).send().await;
    assert!(timed_out.is_err());
    wait_until(|| async { server.events().await.len() == 1 }).await;
}

#[tokio::test]
async fn faults_are_limited_to_their_paths_and_can_be_cleared() {
    let server = Server::start().await;
    let faults = json!({"error500AfterProcessing": 0.99999, "paths": ["/capture"]});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    server.post(INTENTS, &GOOD).await.ok();
    let faults = json!({"error500AfterProcessing": 1.0});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    assert_eq!(server.post(INTENTS, &GOOD).await.status, 500);
    server.control(Method::DELETE, "/_fake/faults", json!({})).await.ok();
    server.post(INTENTS, &GOOD).await.ok();
    let wrong = json!({"latency": 5});
    let wrong = server.control(Method::PUT, "/_fake/faults", wrong).await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn reset_clears_everything() {
    let server = Server::start().await;
    server.post_idempotent("k", INTENTS, &GOOD).await.ok();
    let reset = server.control(Method::POST, "/_fake/reset", json!({})).await;
    assert_eq!(reset.status, 204);
    let state = server.state().await;
    assert_eq!(state["paymentIntents"], json!([]));
    assert_eq!(state["idempotencyKeys"], 0);
    let health = server.send(server.unauthenticated(Method::GET, "/healthz")).await;
    assert_eq!(health.status, 200);
}
