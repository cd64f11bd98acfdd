//! Webhooks: an event only triggers a look-up; repeated, early, forged and stale events, and those that report what is
//! known.

use common::clock::Clock;
use common::events::order::OrderChange;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::app::request::Response;

use crate::metrics::calls;
use crate::support::{SECRET, SECURE, Shop, VISA, authorized_by};

/// An event about an intent, or about its charge.
pub(crate) fn event(kind: &str, reference: &str) -> String {
    let object = if kind.starts_with("charge.") {
        json!({ "object": "charge", "id": "ch_1", "payment_intent": reference })
    } else {
        json!({ "object": "payment_intent", "id": reference, "status": "succeeded" })
    };
    json!({ "id": "evt_1", "type": kind, "data": { "object": object } }).to_string()
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
    let body = event("payment_intent.succeeded", payment["providerRef"].as_str().unwrap());
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
async fn event_about_what_is_known_needs_no_look_up() {
    let shop = Shop::open().await;
    let look_ups = async |outcome| calls(&shop, "lookUp", outcome).await;
    // The first read starts the counting.
    assert_eq!(look_ups("authorized").await, None);
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let send = async |kind: &str| {
        let body = event(kind, payment["providerRef"].as_str().unwrap());
        post(&shop, &sign(SECRET, shop.app.clock.now().as_seconds(), &body), &body).await.expect(204);
    };
    send("payment_intent.amount_capturable_updated").await;
    assert_eq!(look_ups("authorized").await, None);
    // Not known: the payment is not captured.
    send("payment_intent.succeeded").await;
    assert_eq!(look_ups("authorized").await, Some(1.0));
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    for kind in ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"] {
        send(kind).await;
        assert_eq!(look_ups("captured").await, None, "{kind}");
    }
    for (kind, look_ups_after) in [("charge.refunded", 1.0), ("charge.dispute.created", 2.0)] {
        send(kind).await;
        assert_eq!(look_ups("captured").await, Some(look_ups_after), "{kind}");
    }
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_stale_events_are_rejected() {
    let shop = Shop::open().await;
    let (buyer, payment) = pending_payment(&shop).await;
    shop.authenticate(&payment, "succeed").await;
    let body = event("payment_intent.succeeded", payment["providerRef"].as_str().unwrap());
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
    for body in [
        event("charge.refunded", "pi_not_known_yet"),
        json!({ "type": "customer.created" }).to_string(),
        "x".to_owned(),
    ] {
        post(&shop, &sign(SECRET, now, &body), &body).await.expect(204);
    }
}
