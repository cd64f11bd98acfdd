//! Webhook deliveries: signed, retried until accepted, dropped or duplicated by fault injection.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use fakestripe::Config;
use hmac::{Hmac, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::client::{Server, wait_until};

/// A webhook endpoint that rejects the first deliveries and records the rest.
#[derive(Clone, Default)]
struct Receiver {
    /// How many deliveries to reject.
    rejections: Arc<Mutex<u32>>,
    /// Signature and body of each accepted delivery.
    received: Arc<Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let mut rejections = receiver.rejections.lock().unwrap();
    if *rejections > 0 {
        *rejections -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    receiver.received.lock().unwrap().push((signature, body));
    StatusCode::NO_CONTENT
}

async fn start(rejections: u32) -> (Server, Receiver) {
    let receiver = Receiver::default();
    *receiver.rejections.lock().unwrap() = rejections;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let app = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = Config {
        webhook_url: Some(url),
        webhook_secret: "whsec_new,whsec_old".to_owned(),
        webhook_backoff_ms: 10,
        ..Config::default()
    };
    (Server::with(config).await, receiver)
}

async fn create(server: &Server) {
    let form = [("amount", "500"), ("currency", "usd")];
    server.post("/v1/payment_intents", &form).await.ok();
}

#[tokio::test]
async fn deliveries_are_signed_with_every_secret_and_retried() {
    let (server, receiver) = start(2).await;
    create(&server).await;
    wait_until(|| async { receiver.count() == 1 }).await;
    let (signature, body) = receiver.received.lock().unwrap()[0].clone();
    let parts: Vec<(&str, &str)> = signature.split(',').map(|part| part.split_once('=').unwrap()).collect();
    let (_, time) = parts[0];
    for ((name, given), secret) in parts[1..].iter().zip(["whsec_new", "whsec_old"]) {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        assert_eq!(*name, "v1");
        assert_eq!(*given, hex::encode(mac.finalize().into_bytes()));
    }
    assert_eq!(parts.len(), 3);
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["type"], "payment_intent.created");
    assert_eq!(event["pending_webhooks"], 1);
    wait_until(|| async { server.state().await["events"][0]["pending_webhooks"] == 0 }).await;
    let deliveries = server.state().await["deliveries"].clone();
    assert_eq!(deliveries.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn event_is_duplicated_and_resent() {
    let (server, receiver) = start(0).await;
    let faults = json!({"webhookDuplicates": 2, "webhookDelayMs": 5, "webhookJitterMs": 5});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    create(&server).await;
    wait_until(|| async { receiver.count() == 3 }).await;
    server.control(Method::DELETE, "/_fake/faults", json!({})).await.ok();
    let id = server.state().await["events"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/_fake/events/{id}/resend");
    let resent = server.control(Method::POST, &path, json!({})).await;
    assert_eq!(resent.status, 202);
    wait_until(|| async { receiver.count() == 4 }).await;
}

#[tokio::test]
async fn every_nth_event_is_dropped_and_the_endpoint_can_be_cleared() {
    let (server, receiver) = start(0).await;
    let faults = json!({"webhookDropEvery": 2});
    server.control(Method::PUT, "/_fake/faults", faults).await.ok();
    for _ in 0..4 {
        create(&server).await;
    }
    wait_until(|| async {
        let deliveries = server.state().await["deliveries"].clone();
        deliveries.as_array().unwrap().len() == 4 && receiver.count() == 2
    })
    .await;
    let nowhere = json!({"url": null});
    server.control(Method::PUT, "/_fake/webhook", nowhere).await.ok();
    create(&server).await;
    let state = server.state().await;
    assert_eq!(state["events"][4]["pending_webhooks"], 0);
}
