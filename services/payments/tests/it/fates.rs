//! What becomes of a call whose answer is an error, is late, or never comes.

use std::time::Duration;

use common::events::order::{CancelReason, OrderChange, OrderState};
use payments::flows::authorize_payment::{authorize_again, decline_unsent};
use payments::flows::record_answer::Recorded;
use serde_json::{Value, json};
use testkit::app::users::User;

use crate::support::{DECLINED, SECURE, Shop, VISA, cancelled};

const CREATES: &str = "POST /v1/payment_intents";
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn close(shop: &Shop, order: &OrderState) {
    shop.tell(OrderChange::Cancelled, 2, &cancelled(order, CancelReason::Buyer)).await;
}

/// The one payment that was announced last.
async fn latest(shop: &Shop) -> Value {
    shop.app.wait_until_idle().await;
    shop.app.events("payments").await.into_iter().max_by_key(|event| event.time).unwrap().data
}

async fn reconciled(shop: &Shop) {
    assert_eq!(shop.reconcile().await["failed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_after_the_work_is_seen_through() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    for (method, status, intent) in
        [(VISA, 201, "requires_capture"), (SECURE, 202, "requires_action"), (DECLINED, 402, "canceled")]
    {
        let order = shop.order(&buyer).await;
        shop.faults(&json!({ "error500AfterWork": 1, "paths": [CREATES] })).await;
        shop.pay(&buyer, &order, method).await.expect(status);
        assert_eq!(shop.intents().await.last().unwrap(), intent, "{method}");
    }
    assert_eq!(shop.intents().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_before_the_work_leaves_the_buyer_free_to_pay_at_once() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.faults(&json!({ "error500BeforeWork": 1, "paths": [CREATES] })).await;
    let refused = shop.pay(&buyer, &order, VISA).await.expect(402).json();
    assert!(refused["detail"].as_str().unwrap().contains("Nothing was charged"), "{refused}");
    let declined = latest(&shop).await;
    assert_eq!((&declined["status"], &declined["declineReason"]), (&json!("declined"), &json!("provider_error")));
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.intents().await, ["requires_capture"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_broke_in_the_middle_is_cancelled() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.left_behind(&order, VISA, Duration::ZERO, "").await;
    // It was created, and not confirmed any more.
    let metadata =
        [("amount", "12550"), ("currency", "usd"), ("payment_method", VISA), ("metadata[payment_id]", id(&payment))];
    let intent = shop.dashboard("/payment_intents", &metadata).await;
    assert_eq!(intent["status"], "requires_confirmation");
    shop.faults(&json!({ "error500BeforeWork": 1, "paths": [CREATES] })).await;
    reconciled(&shop).await;
    assert_eq!(shop.read(&buyer, &payment).await["declineReason"], "provider_error");
    assert_eq!(shop.intents().await, ["canceled"]);
    shop.pay(&buyer, &order, VISA).await.expect(201);
}

fn id(payment: &Value) -> &str {
    payment["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_fate_of_a_closed_order_is_found_out_and_voided() {
    let shop = Shop::open_with(&[("PROVIDER_TIMEOUT", "250ms")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.faults(&json!({ "latencyMs": 1_500, "paths": [CREATES] })).await;
    shop.pay(&buyer, &order, VISA).await.expect(503);
    let payment = latest(&shop).await;
    assert_eq!(payment["status"], "authorizing");
    close(&shop, &order).await;
    shop.faults(&json!({})).await;
    // While the first call is still at work, the key is in use.
    testkit::app::eventually("the answer", async || shop.reconcile().await["failed"] == 0).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized", "voided"]);
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_repeated_as_it_was_stored() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    // As a release wrote it that asked for something else, too.
    let payment = shop.left_behind(&order, VISA, Duration::ZERO, "&description=of+another+release").await;
    reconciled(&shop).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "authorized");
    assert_eq!(shop.payload().await["paymentIntents"][0]["description"], "of another release");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_too_old_is_not_used_again() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.left_behind(&order, VISA, Duration::ZERO, "").await;
    shop.app.clock.advance(DAY);
    reconciled(&shop).await;
    assert_eq!(shop.intents().await, Vec::<String>::new());
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "declined"]);
    assert_eq!(shop.stored(&payment).await.reason(), Some("provider_error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_looked_for_on_every_page_of_its_time() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.left_behind(&order, VISA, Duration::ZERO, "").await;
    let stored = shop.stored(&payment).await;
    let form: Vec<(String, String)> = pairs(&stored.request);
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    shop.dashboard("/payment_intents", &form).await;
    for _ in 0..205 {
        shop.dashboard("/payment_intents", &[("amount", "500"), ("currency", "usd")]).await;
    }
    shop.app.clock.advance(DAY);
    reconciled(&shop).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized"]);
    assert_eq!(
        shop.stored(&payment).await.provider_ref.as_deref(),
        shop.payload().await["paymentIntents"][0]["id"].as_str()
    );
}

/// The pairs of a form.
fn pairs(form: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://form/?{form}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_an_order_that_was_closed_first() {
    let shop = Shop::open().await;
    let (state, buyer) = (shop.shared(), shop.app.signer.user());
    let order = shop.order(&buyer).await;
    let payment = shop.left_behind(&order, VISA, Duration::ZERO, "").await;
    let stored = shop.stored(&payment).await;
    assert!(decline_unsent(&state, &stored).await.unwrap().is_none(), "the order is open");
    close(&shop, &order).await;
    let ended = decline_unsent(&state, &stored).await.unwrap();
    assert!(matches!(ended, Some(Recorded::Changed(_))), "{ended:?}");
    assert_eq!(shop.history(&payment).await, ["started", "declined"]);
    assert_eq!(shop.intents().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_over_cannot_say_that_nothing_was_sent() {
    let shop = Shop::open().await;
    let (state, buyer): (_, User) = (shop.shared(), shop.app.signer.user());
    let order = shop.order(&buyer).await;
    let payment = shop.left_behind(&order, VISA, Duration::ZERO, "").await;
    let stored = shop.stored(&payment).await;
    // Another instance has sent the request meanwhile, and got no answer.
    shop.faults(&json!({ "latencyAfterMs": 1_000, "paths": [CREATES] })).await;
    authorize_again(&state, &stored).await.unwrap_err();
    close(&shop, &order).await;
    let ended = decline_unsent(&state, &stored).await.unwrap();
    assert!(matches!(ended, Some(Recorded::Overtaken)), "{ended:?}");
    shop.faults(&json!({})).await;
    reconciled(&shop).await;
    assert_eq!(shop.history(&payment).await, ["started", "authorizationDelayed", "authorized", "voided"]);
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_in_the_dashboard_leaves_the_buyer_free_to_use_another_card() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let reference = payment["providerRef"].as_str().unwrap();
    shop.dashboard(&format!("/payment_intents/{reference}/cancel"), &[]).await;
    let refreshed = shop.refresh(&buyer, &payment).await.expect(200).json();
    assert_eq!(
        (&refreshed["status"], &refreshed["declineReason"]),
        (&json!("declined"), &json!("cancelled_at_provider"))
    );
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "declined"]);
    assert_eq!(shop.intents().await, ["canceled", "requires_capture"]);
}
