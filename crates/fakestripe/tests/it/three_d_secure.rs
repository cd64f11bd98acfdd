//! 3-D Secure challenges: required, passed and failed; from a server and from a browser.

use reqwest::{Method, redirect};
use serde_json::{Value, json};

use crate::client::{Server, text};

const CARD: &str = "pm_card_threeDSecure2Required";

async fn finish_challenge(server: &Server, intent: &Value, outcome: &str) -> Value {
    let path = format!("/_fake/payment_intents/{}/authenticate", text(intent, "id"));
    let body = json!({ "outcome": outcome });
    server.control(Method::POST, &path, body).await.ok()
}

#[tokio::test]
async fn passed_challenge_authorizes() {
    let server = Server::start().await;
    let manual = [("capture_method", "manual")];
    let intent = server.pay(CARD, &manual).await.ok();
    assert_eq!(intent["status"], "requires_action");
    assert_eq!(intent["next_action"]["type"], "use_stripe_sdk");
    assert!(intent["latest_charge"].is_null());
    let intent = finish_challenge(&server, &intent, "succeed").await;
    assert_eq!(intent["status"], "requires_capture");
    assert!(intent["next_action"].is_null());
    let events = server.events().await;
    assert_eq!(events[1], "payment_intent.requires_action");
    assert_eq!(events[3], "payment_intent.amount_capturable_updated");
}

#[tokio::test]
async fn failed_challenge_requires_another_card() {
    let server = Server::start().await;
    let intent = server.pay(CARD, &[]).await.ok();
    let intent = finish_challenge(&server, &intent, "fail").await;
    assert_eq!(intent["status"], "requires_payment_method");
    let error = &intent["last_payment_error"];
    assert_eq!(error["code"], "payment_intent_authentication_failure");
    let events = server.events().await;
    assert_eq!(events.last().unwrap(), "payment_intent.payment_failed");
}

#[tokio::test]
async fn off_session_challenge_is_declined() {
    let server = Server::start().await;
    let declined = server.pay(CARD, &[("off_session", "true")]).await;
    assert_eq!(declined.status, 402);
    assert_eq!(declined.error("code"), "authentication_required");
}

#[tokio::test]
async fn challenge_page_redirects_to_the_return_url() {
    let server = Server::start().await;
    let back = [("return_url", "http://shop.test/done?order=1")];
    let intent = server.pay(CARD, &back).await.ok();
    let url = intent["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
    let http = http.build().unwrap();
    let page = http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("value=\"succeed\"") && page.contains("value=\"fail\""));
    let done = http.post(url).form(&[("outcome", "succeed")]).send().await.unwrap();
    let location = done.headers()["location"].to_str().unwrap();
    assert!(location.starts_with("http://shop.test/done?order=1&payment_intent=pi_"));
    assert!(location.ends_with("&redirect_status=succeeded"));
    let path = format!("/v1/payment_intents/{}", text(&intent, "id"));
    assert_eq!(server.get(&path).await.ok()["status"], "succeeded");
}

#[tokio::test]
async fn browser_confirms_with_the_client_secret() {
    let server = Server::start().await;
    let form = [("amount", "500"), ("currency", "usd")];
    let intent = server.post("/v1/payment_intents", &form).await.ok();
    let (path, secret) = (format!("/v1/payment_intents/{}", text(&intent, "id")), text(&intent, "client_secret"));
    let page = |method, path: &str| server.unauthenticated(method, path).bearer_auth("pk_test_x");
    let without_secret = server.send(page(Method::GET, &path)).await;
    assert_eq!(without_secret.status, 400);
    let wrong = page(Method::GET, &format!("{path}?client_secret=no"));
    assert_eq!(server.send(wrong).await.status, 400);
    let seen = page(Method::GET, &format!("{path}?client_secret={secret}"));
    let seen = server.send(seen.header("origin", "http://shop.test")).await;
    assert_eq!(seen.header("access-control-allow-origin"), "*");
    seen.ok();
    let form = [
        ("client_secret", secret.as_str()),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", "4242424242424242"),
        ("payment_method_data[card][exp_month]", "12"),
        ("payment_method_data[card][exp_year]", "34"),
    ];
    let confirmed = page(Method::POST, &format!("{path}/confirm")).form(&form);
    assert_eq!(server.send(confirmed).await.ok()["status"], "succeeded");
    let script = server.send(server.unauthenticated(Method::GET, "/v3/")).await;
    assert!(script.header("content-type").starts_with("text/javascript"));
    assert!(script.json.as_str().unwrap().contains("confirmCardPayment"));
}
