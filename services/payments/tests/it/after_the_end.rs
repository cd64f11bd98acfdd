//! What the card network does to a payment after its end: written down, told, and given back where there is no ticket.

use common::clock::Clock;
use common::events::order::{CancelReason, OrderChange, OrderState};
use common::id::PaymentId;
use serde_json::{Value, json};
use testkit::app::eventually;
use testkit::app::users::User;

use crate::support::{Shop, VISA, cancelled, won};
use crate::webhooks;

async fn paid(shop: &Shop) -> (User, OrderState, Value) {
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    (buyer, order, payment)
}

async fn bought(shop: &Shop) -> (User, Value) {
    let (buyer, order, payment) = paid(shop).await;
    shop.tell(OrderChange::Authorized, 2, &won(&order, &payment)).await;
    (buyer, payment)
}

fn reference(payment: &Value) -> &str {
    payment["providerRef"].as_str().unwrap()
}

/// The card network tells that something happened to the intent.
async fn told(shop: &Shop, payment: &Value) {
    let body = webhooks::event(reference(payment));
    let signature = webhooks::sign(crate::support::SECRET, shop.app.clock.now().as_seconds(), &body);
    webhooks::post(shop, &signature, &body).await.expect(204);
}

/// How many payments were changed in this way. Nothing is counted before somebody has asked for the first time; a
/// service asks when it starts.
async fn changed(shop: &Shop, kind: &str) -> Option<f64> {
    shop.app.metric(&format!("payments_changed_at_provider_total{{kind=\"{kind}\"}}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_and_a_dispute_in_the_dashboard_are_written_down_and_told() {
    let shop = Shop::open().await;
    let (buyer, payment) = bought(&shop).await;
    assert_eq!(changed(&shop, "refunded").await, None);
    let before = shop.read(&buyer, &payment).await;
    assert_eq!((&before["refunded"], &before["disputed"]), (&Value::Null, &json!(false)));
    for (amount, total) in [("5000", 5_000), ("7550", 12_550)] {
        shop.dashboard("/refunds", &[("payment_intent", reference(&payment)), ("amount", amount)]).await;
        told(&shop, &payment).await;
        let refunded = shop.read(&buyer, &payment).await;
        assert_eq!(refunded["status"], "captured");
        assert_eq!(refunded["refunded"]["amount"], json!({ "amount": total, "currency": "USD" }));
        assert!(refunded["refunded"]["at"].is_string());
    }
    shop.dispute(&payment).await;
    for _ in 0..2 {
        told(&shop, &payment).await;
        assert_eq!(shop.read(&buyer, &payment).await["disputed"], true);
    }
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refunded", "refunded", "disputed"]);
    assert_eq!((changed(&shop, "refunded").await, changed(&shop, "disputed").await), (Some(2.0), Some(1.0)));
    let events = shop.app.events("payments").await;
    let disputed = events.iter().find(|event| event.kind == "payment.disputed.v1").unwrap();
    assert_eq!(disputed.data["disputed"], true);
    assert_eq!(disputed.data["refunded"]["amount"]["amount"], 12_550);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_webhook_tells_is_found_by_the_sweep() {
    let shop = Shop::open_with(&[("PROVIDER_SWEEP_INTERVAL", "200ms")]).await;
    let (buyer, payment) = bought(&shop).await;
    shop.dashboard("/refunds", &[("payment_intent", reference(&payment)), ("amount", "5000")]).await;
    eventually("the refund to be seen", async || {
        shop.read(&buyer, &payment).await["refunded"]["amount"]["amount"] == 5_000
    })
    .await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refunded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn less_received_than_was_asked_for_is_written_down() {
    let shop = Shop::open().await;
    assert_eq!(changed(&shop, "refunded").await, None);
    let (buyer, order, payment) = paid(&shop).await;
    let path = format!("/payment_intents/{}/capture", reference(&payment));
    shop.dashboard(&path, &[("amount_to_capture", "10000")]).await;
    shop.tell(OrderChange::Authorized, 2, &won(&order, &payment)).await;
    let captured = shop.read(&buyer, &payment).await;
    assert_eq!((&captured["status"], &captured["refunded"]["amount"]["amount"]), (&json!("captured"), &json!(2_550)));
    assert_eq!(changed(&shop, "refunded").await, Some(1.0));
}

fn refunds(state: &Value) -> Vec<i64> {
    state["refunds"].as_array().unwrap().iter().map(|refund| refund["amount"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_of_a_closed_order_is_given_back_once() {
    for (faults, history) in [
        (json!({}), vec!["started", "authorized", "captured", "refunded"]),
        (
            json!({ "error500AfterWork": 1, "paths": ["POST /v1/refunds"] }),
            vec!["started", "authorized", "captured", "refunded"],
        ),
        // The key would only repeat the failure.
        (
            json!({ "error500BeforeWork": 1, "paths": ["POST /v1/refunds"] }),
            vec!["started", "authorized", "captured", "refundStarted", "refunded"],
        ),
    ] {
        let shop = Shop::open().await;
        assert_eq!(changed(&shop, "refunded").await, None);
        let (buyer, order, payment) = paid(&shop).await;
        shop.dashboard(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
        shop.faults(&faults).await;
        shop.tell(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
        // Finishes what the provider has failed to do.
        shop.reconcile().await;
        let back = shop.read(&buyer, &payment).await;
        assert_eq!((&back["status"], &back["refunded"]["amount"]["amount"]), (&json!("captured"), &json!(12_550)));
        assert_eq!(refunds(&shop.payload().await), [12_550]);
        assert_eq!(shop.history(&payment).await, history, "{faults}");
        assert_eq!(changed(&shop, "refunded").await, None, "our own doing is no surprise");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_was_known_before_the_order_was_closed_is_given_back() {
    let shop = Shop::open().await;
    let (buyer, order, payment) = paid(&shop).await;
    shop.dashboard(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    assert_eq!(shop.refresh(&buyer, &payment).await.expect(200).json()["status"], "captured");
    shop.tell(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Buyer)).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refundStarted", "refunded"]);
    assert_eq!(refunds(&shop.payload().await), [12_550]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_nobody_finished_is_finished_by_the_reconciler() {
    let shop = Shop::open().await;
    let (_, order, payment) = paid(&shop).await;
    shop.dashboard(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    shop.faults(&json!({ "error429": 1.0, "paths": ["POST /v1/refunds"] })).await;
    let event = shop.app.event(OrderChange::Cancelled, order.id, 2, cancelled(&order, CancelReason::Buyer));
    // News of the order is not kept waiting: refused for days, such refunds would fill the consumer.
    for _ in 0..3 {
        shop.app.handle(&event).await.unwrap();
    }
    assert_eq!(refunds(&shop.payload().await), Vec::<i64>::new());
    shop.app.assert_examined_at_most(1, Box::pin(async { drop(shop.reconcile().await) })).await;
    assert_eq!(refunds(&shop.payload().await), Vec::<i64>::new());
    shop.faults(&json!({})).await;
    assert_eq!(shop.reconcile().await, json!({ "lookedUp": 1, "failed": 0 }));
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refunded"]);
    assert_eq!(shop.reconcile().await, json!({ "lookedUp": 0, "failed": 0 }));
}

/// An intent as a call makes it that executes a second time, long after everybody gave it up.
async fn late(shop: &Shop, payment: &str) -> String {
    let form = [
        ("amount", "12550"),
        ("currency", "usd"),
        ("payment_method", VISA),
        ("confirm", "true"),
        ("capture_method", "manual"),
        ("metadata[payment_id]", payment),
    ];
    let intent = shop.dashboard("/payment_intents", &form).await;
    assert_eq!(intent["status"], "requires_capture");
    intent["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_appears_under_a_payment_that_is_over_is_cancelled_or_given_back() {
    let shop = Shop::open_with(&[("PROVIDER_SWEEP_INTERVAL", "300ms")]).await;
    assert_eq!(changed(&shop, "refunded").await, None);
    let (_, payment) = bought(&shop).await;
    let (_, order, voided) = paid(&shop).await;
    shop.tell(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    for payment in [&payment, &voided] {
        late(&shop, payment["id"].as_str().unwrap()).await;
    }
    let charged = late(&shop, voided["id"].as_str().unwrap()).await;
    shop.dashboard(&format!("/payment_intents/{charged}/capture"), &[]).await;
    // Another shop's, which shares the account.
    late(&shop, &PaymentId::new().to_string()).await;
    let expected = ["succeeded", "canceled", "canceled", "canceled", "succeeded", "requires_capture"];
    eventually("the orphans to be settled", async || {
        let state = shop.payload().await;
        shop.intents().await == expected && refunds(&state) == [12_550]
    })
    .await;
    for (outcome, least) in [("cancelled", 2.0), ("refunded", 1.0)] {
        let series = format!("payment_orphans_total{{outcome=\"{outcome}\"}}");
        eventually("the orphans to be counted", async || shop.app.metric(&series).await >= Some(least)).await;
    }
    eventually("the other shop's to be told", async || shop.app.metric("payment_intents_unknown").await == Some(1.0))
        .await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
}
