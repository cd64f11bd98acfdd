//! Authorisations whose response is an error, is late, or never arrives.

use std::time::Duration;

use common::events::order::{CancelReason, OrderChange, OrderState};
use payments::flows::authorize_payment::{AuthorizeOutcome, authorize_unsent, retry_authorization};
use payments::flows::record_intent::RecordOutcome;
use serde_json::{Value, json};
use testkit::app::users::User;

use crate::support::{DECLINED, SECURE, Shop, VISA, cancelled};

const CREATE_INTENT: &str = "POST /v1/payment_intents";
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn close(shop: &Shop, order: &OrderState) {
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(order, CancelReason::Buyer)).await;
}

/// The payment that was published last.
async fn latest(shop: &Shop) -> Value {
    shop.app.wait_until_idle().await;
    shop.app.events("payments").await.into_iter().max_by_key(|event| event.time).unwrap().data
}

async fn reconcile(shop: &Shop) {
    assert_eq!(shop.reconcile().await["failed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_is_found_when_the_provider_fails_after_processing() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    for (method, status, intent) in
        [(VISA, 201, "requires_capture"), (SECURE, 202, "requires_action"), (DECLINED, 402, "canceled")]
    {
        let order = shop.order(&buyer).await;
        shop.faults(&json!({ "error500AfterProcessing": 1, "paths": [CREATE_INTENT] })).await;
        shop.pay(&buyer, &order, method).await.expect(status);
        assert_eq!(shop.intents().await.last().unwrap(), intent, "{method}");
    }
    assert_eq!(shop.intents().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn buyer_can_pay_again_at_once_when_the_provider_fails_before_processing() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.faults(&json!({ "error500BeforeProcessing": 1, "paths": [CREATE_INTENT] })).await;
    let declined = shop.pay(&buyer, &order, VISA).await.expect(402).json();
    assert!(declined["detail"].as_str().unwrap().contains("You were not charged"), "{declined}");
    let declined = latest(&shop).await;
    assert_eq!((&declined["status"], &declined["declineReason"]), (&json!("declined"), &json!("provider_error")));
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.intents().await, ["requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unconfirmed_intent_of_an_interrupted_call_is_cancelled() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    // The intent was created but not confirmed.
    let metadata =
        [("amount", "12550"), ("currency", "usd"), ("payment_method", VISA), ("metadata[payment_id]", id(&payment))];
    let intent = shop.change_at_provider("/payment_intents", &metadata).await;
    assert_eq!(intent["status"], "requires_confirmation");
    shop.faults(&json!({ "error500BeforeProcessing": 1, "paths": [CREATE_INTENT] })).await;
    reconcile(&shop).await;
    assert_eq!(shop.read(&buyer, &payment).await["declineReason"], "provider_error");
    assert_eq!(shop.intents().await, ["canceled"]);
    shop.pay(&buyer, &order, VISA).await.expect(201);
}

fn id(payment: &Value) -> &str {
    payment["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn indeterminate_authorisation_of_a_closed_order_is_voided() {
    let shop = Shop::open_with(&[("PROVIDER_TIMEOUT", "250ms")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.faults(&json!({ "latencyMs": 1_500, "paths": [CREATE_INTENT] })).await;
    shop.pay(&buyer, &order, VISA).await.expect(503);
    let payment = latest(&shop).await;
    assert_eq!(payment["status"], "authorizing");
    close(&shop, &order).await;
    shop.faults(&json!({})).await;
    // The key is in use until the first call ends.
    testkit::app::eventually("the response", async || shop.reconcile().await["failed"] == 0).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized", "voided"]);
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_request_is_resent_verbatim() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    // The request was stored by a release of the service that sends one more parameter.
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "&description=of+another+release").await;
    reconcile(&shop).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "authorized");
    assert_eq!(shop.provider_state().await["paymentIntents"][0]["description"], "of another release");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_key_is_not_used_again() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    shop.app.clock.advance(DAY);
    reconcile(&shop).await;
    assert_eq!(shop.intents().await, Vec::<String>::new());
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "declined"]);
    assert_eq!(shop.stored(&payment).await.reason(), Some("provider_error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_key_is_used_even_for_a_closed_order() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    close(&shop, &order).await;
    // A minute before the service stops using the key.
    shop.app.clock.advance(Duration::from_secs((22 * 60 + 59) * 60));
    reconcile(&shop).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized", "voided"]);
    assert_eq!(shop.intents().await, ["canceled"]);
}

/// Creates the intent of a payment whose creation time is `ahead` of this service's clock, at a provider whose clock is
/// `provider_ahead` seconds ahead. Lets the key expire, and returns how the search for the intent ends.
async fn search_result(provider_ahead: i64, ahead: Duration) -> String {
    let shop = Shop::open_with_provider_clock(provider_ahead, &[]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, ahead, "").await;
    let form = pairs(&shop.stored(&payment).await.request);
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    shop.change_at_provider("/payment_intents", &form).await;
    shop.app.clock.advance(DAY + ahead);
    reconcile(&shop).await;
    shop.history(&payment).await.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn search_for_an_intent_is_bounded_by_its_creation() {
    const MINUTE: i64 = 60;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    // The clocks may differ by five minutes, and a call may end up to a day after the payment was stored.
    assert_eq!(Box::pin(search_result(0, minutes(4))).await, "authorized");
    assert_eq!(Box::pin(search_result(0, minutes(6))).await, "declined");
    assert_eq!(Box::pin(search_result((24 * 60 + 4) * MINUTE, minutes(0))).await, "authorized");
    assert_eq!(Box::pin(search_result((24 * 60 + 6) * MINUTE, minutes(0))).await, "declined");
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_is_searched_for_on_every_page() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    let stored = shop.stored(&payment).await;
    let form: Vec<(String, String)> = pairs(&stored.request);
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    shop.change_at_provider("/payment_intents", &form).await;
    for _ in 0..205 {
        shop.change_at_provider("/payment_intents", &[("amount", "500"), ("currency", "usd")]).await;
    }
    shop.app.clock.advance(DAY);
    reconcile(&shop).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized"]);
    assert_eq!(
        shop.stored(&payment).await.provider_ref.as_deref(),
        shop.provider_state().await["paymentIntents"][0]["id"].as_str()
    );
}

/// The pairs of a form.
fn pairs(form: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://form/?{form}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_an_order_that_was_closed_before() {
    let shop = Shop::open().await;
    let (state, buyer) = (shop.new_state(), shop.app.signer.user());
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    let stored = shop.stored(&payment).await;
    close(&shop, &order).await;
    let ended = authorize_unsent(&state, &stored).await.unwrap();
    assert!(matches!(ended, AuthorizeOutcome::NotSent(RecordOutcome::Updated(_))), "{ended:?}");
    assert_eq!(shop.history(&payment).await, ["started", "declined"]);
    assert_eq!(shop.intents().await, Vec::<String>::new());
    // While the order is open, the request is sent.
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    let sent = authorize_unsent(&state, &shop.stored(&payment).await).await.unwrap();
    assert!(matches!(sent, AuthorizeOutcome::Recorded(RecordOutcome::Updated(_), _)), "{sent:?}");
    assert_eq!(shop.intents().await, ["requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn original_request_cannot_decline_after_a_takeover() {
    let shop = Shop::open().await;
    let (state, buyer): (_, User) = (shop.new_state(), shop.app.signer.user());
    let order = shop.order(&buyer).await;
    let payment = shop.insert_abandoned_payment(&order, VISA, Duration::ZERO, "").await;
    let stored = shop.stored(&payment).await;
    // Another instance has sent the request meanwhile and received no response.
    shop.faults(&json!({ "latencyAfterMs": 1_000, "paths": [CREATE_INTENT] })).await;
    retry_authorization(&state, &stored).await.unwrap_err();
    close(&shop, &order).await;
    let ended = authorize_unsent(&state, &stored).await.unwrap();
    assert!(matches!(ended, AuthorizeOutcome::NotSent(RecordOutcome::Overtaken)), "{ended:?}");
    shop.faults(&json!({})).await;
    reconcile(&shop).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized", "voided"]);
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn buyer_can_use_another_card_after_a_cancellation_in_the_dashboard() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let reference = payment["providerRef"].as_str().unwrap();
    shop.change_at_provider(&format!("/payment_intents/{reference}/cancel"), &[]).await;
    let refreshed = shop.refresh(&buyer, &payment).await.expect(200).json();
    assert_eq!(
        (&refreshed["status"], &refreshed["declineReason"]),
        (&json!("declined"), &json!("cancelled_at_provider"))
    );
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "declined"]);
    assert_eq!(shop.intents().await, ["canceled", "requires_capture"]);
}
