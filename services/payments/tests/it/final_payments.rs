//! Changes of final payments at the provider are recorded and published; a charge of a closed order is refunded.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{CancelReason, OrderChange, OrderState};
use common::id::PaymentId;
use payments::flows::resolve_orphans::sweep;
use serde_json::{Value, json};
use testkit::app::eventually;
use testkit::app::users::User;

use crate::support::{SECURE, Shop, VISA, authorized_by, cancelled, id};
use crate::webhooks;

async fn authorized_payment(shop: &Shop) -> (User, OrderState, Value) {
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    (buyer, order, payment)
}

async fn captured_payment(shop: &Shop) -> (User, Value) {
    let (buyer, order, payment) = authorized_payment(shop).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    (buyer, payment)
}

fn reference(payment: &Value) -> &str {
    payment["providerRef"].as_str().unwrap()
}

/// Sends a webhook about the payment's charge.
async fn send_webhook(shop: &Shop, payment: &Value) {
    let body = webhooks::event("charge.refunded", reference(payment));
    let signature = webhooks::sign(crate::support::SECRET, shop.app.clock.now().as_seconds(), &body);
    webhooks::post(shop, &signature, &body).await.expect(204);
}

/// The number of counted changes of this kind at the provider. Counting starts when the metrics are first read, so a
/// test reads them before the change; a deployed service reads them when it starts.
async fn external_changes(shop: &Shop, kind: &str) -> Option<f64> {
    shop.app.metric(&format!("payments_changed_at_provider_total{{kind=\"{kind}\"}}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn refund_and_dispute_in_the_dashboard_are_recorded_and_published() {
    let shop = Shop::open().await;
    let (buyer, payment) = captured_payment(&shop).await;
    assert_eq!(external_changes(&shop, "refunded").await, None);
    let before = shop.read(&buyer, &payment).await;
    assert_eq!((&before["refunded"], &before["disputed"]), (&Value::Null, &json!(false)));
    for (amount, total) in [("5000", 5_000), ("7550", 12_550)] {
        shop.change_at_provider("/refunds", &[("payment_intent", reference(&payment)), ("amount", amount)]).await;
        send_webhook(&shop, &payment).await;
        let refunded = shop.read(&buyer, &payment).await;
        assert_eq!(refunded["status"], "captured");
        assert_eq!(refunded["refunded"]["amount"], json!({ "amount": total, "currency": "USD" }));
        assert!(refunded["refunded"]["at"].is_string());
    }
    shop.dispute(&payment).await;
    for _ in 0..2 {
        send_webhook(&shop, &payment).await;
        assert_eq!(shop.read(&buyer, &payment).await["disputed"], true);
    }
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refunded", "refunded", "disputed"]);
    assert_eq!(
        (external_changes(&shop, "refunded").await, external_changes(&shop, "disputed").await),
        (Some(2.0), Some(1.0))
    );
    let events = shop.app.events("payments").await;
    let disputed = events.iter().find(|event| event.kind == "payment.disputed.v1").unwrap();
    assert_eq!(disputed.data["disputed"], true);
    assert_eq!(disputed.data["refunded"]["amount"]["amount"], 12_550);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_finds_a_refund_without_a_webhook() {
    let shop = Shop::open_with(&[("PROVIDER_SWEEP_INTERVAL", "200ms")]).await;
    let (buyer, payment) = captured_payment(&shop).await;
    shop.change_at_provider("/refunds", &[("payment_intent", reference(&payment)), ("amount", "5000")]).await;
    eventually("the refund to be seen", async || {
        shop.read(&buyer, &payment).await["refunded"]["amount"]["amount"] == 5_000
    })
    .await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refunded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_capture_is_recorded_as_a_refund() {
    let shop = Shop::open().await;
    assert_eq!(external_changes(&shop, "refunded").await, None);
    let (buyer, order, payment) = authorized_payment(&shop).await;
    let path = format!("/payment_intents/{}/capture", reference(&payment));
    shop.change_at_provider(&path, &[("amount_to_capture", "10000")]).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    let captured = shop.read(&buyer, &payment).await;
    assert_eq!((&captured["status"], &captured["refunded"]["amount"]["amount"]), (&json!("captured"), &json!(2_550)));
    assert_eq!(external_changes(&shop, "refunded").await, Some(1.0));
}

fn refunds(state: &Value) -> Vec<i64> {
    state["refunds"].as_array().unwrap().iter().map(|refund| refund["amount"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_of_a_closed_order_is_refunded_once() {
    // The provider's faults, the payment's changes, and the number of the attempt whose idempotency key the refund has.
    let rounds = [
        (json!({}), vec!["started", "authorized", "captured", "refunded"], 1),
        (
            json!({ "error500AfterProcessing": 1, "paths": ["POST /v1/refunds"] }),
            vec!["started", "authorized", "captured", "refunded"],
            1,
        ),
        // With the same idempotency key the provider would only replay the failure, so a new attempt has a new key.
        (
            json!({ "error500BeforeProcessing": 1, "paths": ["POST /v1/refunds"] }),
            vec!["started", "authorized", "captured", "refundStarted", "refunded"],
            2,
        ),
    ];
    for (round, (faults, history, attempt)) in (1..).zip(rounds) {
        let shop = Shop::open().await;
        assert_eq!(external_changes(&shop, "refunded").await, None);
        let (buyer, order, payment) = authorized_payment(&shop).await;
        shop.change_at_provider(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
        shop.faults(&faults).await;
        shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
        // Completes what the provider failed to do.
        shop.reconcile().await;
        let back = shop.read(&buyer, &payment).await;
        assert_eq!((&back["status"], &back["refunded"]["amount"]["amount"]), (&json!("captured"), &json!(12_550)));
        assert_eq!(refunds(&shop.provider_state().await), [12_550]);
        assert_eq!(shop.history(&payment).await, history, "{faults}");
        assert_eq!(shop.refund_keys().await, [format!("{}:refund:{attempt}", id(&payment))], "{faults}");
        // All shops of this process share its metrics, so each round increments the counter once more.
        assert_eq!(external_changes(&shop, "captured").await, Some(f64::from(round)));
        assert_eq!(external_changes(&shop, "refunded").await, None, "refunds by this service are not counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_capture_is_refunded_when_the_order_is_cancelled() {
    let shop = Shop::open().await;
    assert_eq!(external_changes(&shop, "captured").await, None);
    let (buyer, order, payment) = authorized_payment(&shop).await;
    shop.change_at_provider(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    assert_eq!(shop.refresh(&buyer, &payment).await.expect(200).json()["status"], "captured");
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Buyer)).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refundStarted", "refunded"]);
    assert_eq!(refunds(&shop.provider_state().await), [12_550]);
    assert_eq!(external_changes(&shop, "captured").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_refund_is_tried_again_with_another_key() {
    let shop = Shop::open().await;
    let (_, order, payment) = authorized_payment(&shop).await;
    shop.change_at_provider(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    shop.faults(&json!({ "error400BeforeProcessing": 1, "paths": ["POST /v1/refunds"] })).await;
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    // The provider replays the rejection for the key.
    shop.reconcile().await;
    assert_eq!(shop.stored(&payment).await.refund.as_ref().unwrap().attempt, 1);
    assert_eq!(refunds(&shop.provider_state().await), Vec::<i64>::new());
    // A rejected attempt is replaced by a new one after ten minutes.
    shop.app.clock.advance(Duration::from_secs(600));
    // The first run of the reconciler starts an attempt, and the second one makes it.
    shop.reconcile().await;
    shop.reconcile().await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refundStarted", "refunded"]);
    assert_eq!(shop.refund_keys().await, [format!("{}:refund:2", id(&payment))]);
}

/// A payment whose intent was changed to 150.00 in the dashboard before the buyer passed 3-D Secure.
async fn overpaid_payment(shop: &Shop) -> (User, OrderState, Value) {
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, SECURE).await.expect(202).json();
    shop.change_at_provider(&format!("/payment_intents/{}", reference(&payment)), &[("amount", "15000")]).await;
    shop.authenticate(&payment, "succeed").await;
    shop.refresh(&buyer, &payment).await.expect(200);
    (buyer, order, payment)
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_never_exceeds_the_price() {
    let shop = Shop::open().await;
    assert_eq!(external_changes(&shop, "amount").await, None);
    let (buyer, order, payment) = overpaid_payment(&shop).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    assert_eq!(shop.provider_state().await["paymentIntents"][0]["amount_received"], 12_550);
    send_webhook(&shop, &payment).await;
    assert_eq!(shop.history(&payment).await, ["started", "actionRequired", "authorized", "captured"]);
    assert_eq!(external_changes(&shop, "amount").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn overpayment_in_the_dashboard_is_recorded() {
    let shop = Shop::open().await;
    assert_eq!(external_changes(&shop, "amount").await, None);
    let (buyer, order, payment) = overpaid_payment(&shop).await;
    shop.change_at_provider(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    let stored = shop.stored(&payment).await;
    assert_eq!((stored.received_amount(), stored.refunded_amount()), (15_000, 0));
    assert_eq!(external_changes(&shop, "amount").await, Some(1.0));
    let events = shop.app.events("payments").await;
    let overpaid = events.iter().find(|event| event.kind == "payment.overpaid.v1").unwrap();
    assert_eq!(overpaid.data["received"], json!({ "amount": 15_000, "currency": "USD" }));
    // The difference is refunded in the dashboard.
    shop.change_at_provider("/refunds", &[("payment_intent", reference(&payment)), ("amount", "2450")]).await;
    send_webhook(&shop, &payment).await;
    assert_eq!(shop.read(&buyer, &payment).await["refunded"]["amount"]["amount"], 2_450);
    let history = ["started", "actionRequired", "authorized", "captured", "overpaid", "refunded"];
    assert_eq!(shop.history(&payment).await, history);
}

#[tokio::test(flavor = "multi_thread")]
async fn overpayment_of_a_closed_order_is_refunded_whole() {
    let shop = Shop::open().await;
    let (_, order, payment) = overpaid_payment(&shop).await;
    shop.change_at_provider(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Buyer)).await;
    shop.reconcile().await;
    assert_eq!(refunds(&shop.provider_state().await), [15_000]);
    let stored = shop.stored(&payment).await;
    assert!(stored.is_refunded() && !stored.has_open_refund(), "{stored:?}");
    let history = ["started", "actionRequired", "authorized", "captured", "overpaid", "refunded"];
    assert_eq!(shop.history(&payment).await, history);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_covers_two_days() {
    let shop = Shop::open().await;
    let state = shop.new_state();
    create_late_intent(&shop, &PaymentId::new().to_string()).await;
    for (hours, found) in [(47, 1), (2, 0)] {
        shop.app.clock.advance(Duration::from_secs(hours * 3_600));
        assert_eq!(sweep(&state).await.unwrap(), found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciler_completes_an_open_refund() {
    let shop = Shop::open().await;
    let (_, order, payment) = authorized_payment(&shop).await;
    shop.change_at_provider(&format!("/payment_intents/{}/capture", reference(&payment)), &[]).await;
    shop.faults(&json!({ "error429": 1.0, "paths": ["POST /v1/refunds"] })).await;
    let event = shop.app.event(OrderChange::Cancelled, order.id, 2, cancelled(&order, CancelReason::Buyer));
    // The event is handled without the refund: refunds that fail for days would block the consumer.
    for _ in 0..3 {
        shop.app.handle(&event).await.unwrap();
    }
    assert_eq!(refunds(&shop.provider_state().await), Vec::<i64>::new());
    // The reconciler finds the payment, the only open one, by an index.
    shop.app.assert_examined_at_most(1, Box::pin(async { drop(shop.reconcile().await) })).await;
    assert_eq!(refunds(&shop.provider_state().await), Vec::<i64>::new());
    shop.faults(&json!({})).await;
    assert_eq!(shop.reconcile().await, json!({ "lookedUp": 1, "failed": 0 }));
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured", "refunded"]);
    assert_eq!(shop.reconcile().await, json!({ "lookedUp": 0, "failed": 0 }));
}

/// Creates an intent like a call that is executed again, long after it timed out.
async fn create_late_intent(shop: &Shop, payment: &str) -> String {
    let form = [
        ("amount", "12550"),
        ("currency", "usd"),
        ("payment_method", VISA),
        ("confirm", "true"),
        ("capture_method", "manual"),
        ("metadata[payment_id]", payment),
    ];
    let intent = shop.change_at_provider("/payment_intents", &form).await;
    assert_eq!(intent["status"], "requires_capture");
    intent["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_intents_of_final_payments_are_cancelled_or_refunded() {
    let shop = Shop::open_with(&[("PROVIDER_SWEEP_INTERVAL", "300ms")]).await;
    assert_eq!(external_changes(&shop, "refunded").await, None);
    let (_, payment) = captured_payment(&shop).await;
    let (_, order, voided) = authorized_payment(&shop).await;
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Expired)).await;
    for payment in [&payment, &voided] {
        create_late_intent(&shop, payment["id"].as_str().unwrap()).await;
    }
    let charged = create_late_intent(&shop, voided["id"].as_str().unwrap()).await;
    shop.change_at_provider(&format!("/payment_intents/{charged}/capture"), &[]).await;
    // An intent of another shop that shares the account.
    create_late_intent(&shop, &PaymentId::new().to_string()).await;
    let expected = ["succeeded", "canceled", "canceled", "canceled", "succeeded", "requires_capture"];
    eventually("the orphans to be settled", async || {
        let state = shop.provider_state().await;
        shop.intents().await == expected && refunds(&state) == [12_550]
    })
    .await;
    for (outcome, least) in [("cancelled", 2.0), ("refunded", 1.0)] {
        let series = format!("payment_orphans_total{{outcome=\"{outcome}\"}}");
        eventually("the orphans to be counted", async || shop.app.metric(&series).await >= Some(least)).await;
    }
    eventually("the other shop's intent to be counted", async || {
        shop.app.metric("payment_intents_unknown").await == Some(1.0)
    })
    .await;
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
}
