//! Webhooks: an event only triggers a look-up; repeated, early, forged and stale events.

use common::clock::Clock;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::app::request::Response;

use crate::support::{SECRET, SECURE, Shop};

pub(crate) fn event(reference: &str) -> String {
    let object = json!({ "object": "payment_intent", "id": reference, "status": "succeeded" });
    json!({ "id": "evt_1", "type": "payment_intent.succeeded", "data": { "object": object } }).to_string()
}

pub(crate) fn sign(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

pub(crate) async fn post(shop: &Shop, signature: &str, body: &str) -> Response {
    let request = shop.app.request("POST", "/api/payments/webhooks/stripe").header("stripe-signature", signature);
    // Only webhook routes accept a cross-site request.
    request.header("sec-fetch-site", "cross-site").body(body.to_owned()).send().await
}

async fn pending_payment(shop: &Shop) -> (testkit::app::users::User, Value) {
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    (buyer, payment)
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_triggers_a_look_up_and_its_content_is_ignored() {
    let shop = Shop::open().await;
    let (buyer, payment) = pending_payment(&shop).await;
    let body = event(payment["providerRef"].as_str().unwrap());
    let now = shop.app.clock.now().as_seconds();
    // The event says that the intent succeeded; the provider's intent has not.
    post(&shop, &sign(SECRET, now, &body), &body).await.expect(204);
    assert_eq!(shop.read(&buyer, &payment).await["status"], "requiresAction");
    shop.authenticate(&payment, "succeed").await;
    for _ in 0..2 {
        post(&shop, &sign(SECRET, now, &body), &body).await.expect(204);
        assert_eq!(shop.read(&buyer, &payment).await["status"], "authorized");
    }
    assert_eq!(shop.history(&payment).await, ["started", "actionRequired", "authorized"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_stale_events_are_rejected() {
    let shop = Shop::open().await;
    let (buyer, payment) = pending_payment(&shop).await;
    shop.authenticate(&payment, "succeed").await;
    let body = event(payment["providerRef"].as_str().unwrap());
    let now = shop.app.clock.now().as_seconds();
    for signature in [
        String::new(),
        "t=1,v1=00".to_owned(),
        sign("whsec_other", now, &body),
        sign(SECRET, now, "{}"),
        // Older than the tolerance of 300 s.
        sign(SECRET, now - 400, &body),
    ] {
        let rejected = post(&shop, &signature, &body).await.expect(400);
        assert_eq!(rejected.fields(), ["Stripe-Signature"], "{signature}");
    }
    assert_eq!(shop.read(&buyer, &payment).await["status"], "requiresAction");
}

#[tokio::test(flavor = "multi_thread")]
async fn early_and_unreadable_events_are_ignored() {
    let shop = Shop::open().await;
    let now = shop.app.clock.now().as_seconds();
    for body in [event("pi_not_known_yet"), json!({ "type": "customer.created" }).to_string(), "x".to_owned()] {
        post(&shop, &sign(SECRET, now, &body), &body).await.expect(204);
    }
}
