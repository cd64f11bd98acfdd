//! The switches of the control API.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::client::{Server, until};

const INTENTS: &str = "/v1/payment_intents";
const GOOD: [(&str, &str); 2] = [("amount", "500"), ("currency", "usd")];

#[tokio::test]
async fn a_500_before_the_work_leaves_nothing_but_itself_under_the_key() {
    let server = Server::start().await;
    let faults = json!({"error500BeforeWork": 1, "error429": 1});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    assert_eq!(server.keyed("k", INTENTS, &GOOD).await.status, 429);
    assert_eq!(server.keyed("k", INTENTS, &GOOD).await.status, 500);
    let again = server.keyed("k", INTENTS, &GOOD).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (500, "true"));
    assert!(server.events().await.is_empty());
    server.keyed("other", INTENTS, &GOOD).await.ok();
    assert_eq!(server.events().await.len(), 1);
}

#[tokio::test]
async fn the_work_goes_on_when_the_caller_hangs_up() {
    let server = Server::start().await;
    let faults = json!({"latencyMs": 300});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    let request = server.request(Method::POST, INTENTS).form(&GOOD);
    let given_up = request.timeout(Duration::from_millis(100)).send().await;
    assert!(given_up.is_err());
    until(|| async { server.events().await.len() == 1 }).await;
}

#[tokio::test]
async fn faults_keep_to_their_paths_and_can_be_cleared() {
    let server = Server::start().await;
    let faults = json!({"error500AfterWork": 0.99999, "paths": ["/capture"]});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    server.post(INTENTS, &GOOD).await.ok();
    let faults = json!({"error500AfterWork": 1.0});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    assert_eq!(server.post(INTENTS, &GOOD).await.status, 500);
    server.control(Method::DELETE, "/_fake/faults", json!({})).await.ok();
    server.post(INTENTS, &GOOD).await.ok();
    let wrong = json!({"latency": 5});
    let wrong = server.control(Method::PUT, "/_fake/faults", wrong).await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn reset_forgets_everything() {
    let server = Server::start().await;
    server.keyed("k", INTENTS, &GOOD).await.ok();
    let reset = server.control(Method::POST, "/_fake/reset", json!({})).await;
    assert_eq!(reset.status, 204);
    let state = server.state().await;
    assert_eq!(state["paymentIntents"], json!([]));
    assert_eq!(state["idempotencyKeys"], 0);
    let health = server.send(server.bare(Method::GET, "/healthz")).await;
    assert_eq!(health.status, 200);
}
