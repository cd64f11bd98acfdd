//! POST /api/payments: a card is authorised once, even if requests are repeated.

use std::time::Duration;

use common::events::order::{CancelReason, OrderChange, OrderStatus};
use common::id::UserId;
use common::identity::Claims;
use futures::future::join_all;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::app::eventually;
use testkit::app::users::{Signer, User};

use crate::support::{DECLINED, SECURE, Shop, VISA, authorized_by, cancelled};

#[tokio::test(flavor = "multi_thread")]
async fn card_is_charged_only_after_the_order_is_authorized() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let response = shop.pay(&buyer, &order, VISA).await.expect(201);
    let payment = response.json();
    assert_eq!(payment["status"], "authorized");
    assert_eq!(payment["amount"], json!({ "amount": 12_550, "currency": "USD" }));
    assert_eq!(payment["provider"], "stripe");
    assert_eq!(payment["clientSecret"], json!(null));
    assert_eq!(response.header("etag"), format!("\"{}\"", payment["version"]));
    assert_eq!(shop.intents().await, ["requires_capture"], "nothing is charged before the order is authorised");
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    assert_eq!(shop.intents().await, ["succeeded"]);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_payments_of_an_order_charge_once() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let responses = join_all((0..5).map(|_| shop.pay(&buyer, &order, VISA))).await;
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409]);
    assert_eq!(shop.intents().await, ["requires_capture"]);
    shop.pay(&buyer, &order, VISA).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_key_replays_the_original_response() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let pay = |method: &str| {
        let body = json!({ "orderId": order.id, "paymentMethod": method });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    };
    let responses = join_all((0..5).map(|_| pay(VISA))).await;
    let first = responses.iter().find(|response| response.status == 201).expect("one goes through").json();
    for response in responses {
        match response.status {
            201 => assert_eq!(response.json(), first),
            409 => assert_eq!((response.problem().as_str(), response.header("retry-after")), ("in-flight", "1")),
            status => panic!("{status}"),
        }
    }
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &first)).await;
    assert_eq!(pay(VISA).await.expect(201).json(), first, "as it was created, not as it is now");
    assert_eq!(pay(DECLINED).await.expect(422).fields(), ["Idempotency-Key"]);
    assert_eq!(shop.intents().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_after_a_cancel_during_the_authorisation_replays_no_success() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let pay = || {
        let body = json!({ "orderId": order.id, "paymentMethod": VISA });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    };
    shop.faults(&json!({ "latencyMs": 2_500, "paths": ["POST /v1/payment_intents"] })).await;
    let (paid, ()) = tokio::join!(pay(), async {
        eventually("the payment to be stored", async || !shop.app.events("payments").await.is_empty()).await;
        shop.app.publish(OrderChange::Cancelled, order.id, 2, cancelled(&order, CancelReason::Buyer)).await;
    });
    assert_eq!(paid.expect(409).problem(), "order-closed");
    assert_eq!(pay().await.expect(409).problem(), "order-closed", "the key is free, and the order is closed");
    assert_eq!(shop.intents().await, ["canceled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_card_keeps_the_order_payable_and_the_key_reusable() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let pay = |key: &'static str, method: &str| {
        let body = json!({ "orderId": order.id, "paymentMethod": method });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", key).json(&body).send()
    };
    let declined = pay("a", DECLINED).await.expect(402);
    assert!(declined.json()["detail"].as_str().unwrap().starts_with("Your bank declined the card"));
    pay("a", DECLINED).await.expect(402);
    let funds = pay("b", "pm_card_chargeDeclinedInsufficientFunds").await.expect(402);
    assert!(funds.json()["detail"].as_str().unwrap().starts_with("The card has insufficient funds"));
    assert_eq!(funds.json()["params"]["reason"], "insufficient-funds");
    pay("c", VISA).await.expect(201);
    let mut intents = shop.intents().await;
    intents.sort_unstable();
    assert_eq!(
        intents,
        ["canceled", "canceled", "canceled", "requires_capture"],
        "the intents of declined cards are cancelled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_of_a_3d_secure_payment_contains_the_client_secret() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let pay = || {
        let body = json!({ "orderId": order.id, "paymentMethod": SECURE });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    };
    let first = pay().await.expect(202).json();
    assert!(first["clientSecret"].as_str().unwrap().contains("_secret_"));
    assert_eq!(pay().await.expect(202).json(), first);
    for event in shop.app.events("payments").await {
        assert!(!event.data.to_string().contains("_secret_"), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_of_a_declined_payment_is_free_for_another_card() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let pay = |method: &str| {
        let body = json!({ "orderId": order.id, "paymentMethod": method });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    };
    pay(DECLINED).await.expect(402);
    let paid = pay(VISA).await.expect(201).json();
    assert_eq!(pay(VISA).await.expect(201).json(), paid);
    assert_eq!(pay(DECLINED).await.expect(422).fields(), ["Idempotency-Key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_on_two_instances_start_one_payment() {
    let shop = Shop::open().await;
    let other = shop.app.start_second_instance(payments::build).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let body = json!({ "orderId": order.id, "paymentMethod": SECURE });
    let responses = join_all((0..20).map(|n| {
        let instance = if n % 2 == 0 { &shop.app } else { &other };
        instance.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    }))
    .await;
    for response in &responses {
        match response.status {
            202 => {}
            409 => assert_eq!(response.problem(), "in-flight", "a repeat never supersedes its own payment"),
            status => panic!("{status}"),
        }
    }
    assert!(responses.iter().any(|response| response.status == 202));
    assert_eq!(shop.intents().await, ["requires_action"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_after_a_crash_between_claim_and_insert_authorises_once() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let pay = || {
        let body = json!({ "orderId": order.id, "paymentMethod": VISA });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    };
    let first = pay().await.expect(201).json();
    shop.app.wait_until_idle().await;
    // Only the claim (the record of the idempotency key) is left, as after a crash before the insert, although the
    // provider has already received the request.
    shop.app.context.database.collection::<Document>("payments").delete_many(doc! {}).await.unwrap();
    let again = pay().await.expect(201).json();
    assert_eq!((&again["id"], &again["providerRef"]), (&first["id"], &first["providerRef"]));
    assert_eq!(shop.intents().await, ["requires_capture"]);
    assert_eq!(pay().await.expect(201).json(), again);
}

#[tokio::test(flavor = "multi_thread")]
async fn response_is_replayed_for_a_day() {
    let shop = Shop::open().await;
    let id = UserId::new();
    let usual = Signer::claims(id);
    let token = shop.app.signer.sign(&Claims { exp: usual.iat + 10 * 86_400, ..usual });
    let buyer = User { id, token };
    let order = shop.order(&buyer).await;
    let pay = || {
        let body = json!({ "orderId": order.id, "paymentMethod": VISA });
        shop.app.request("POST", "/api/payments").as_user(&buyer).header("idempotency-key", "k").json(&body).send()
    };
    let first = pay().await.expect(201).json();
    shop.app.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(pay().await.expect(201).json(), first);
    shop.app.clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(pay().await.expect(410).problem(), "hold-expired", "a new request, for which it is too late");
}

/// Amounts of ISK have two decimals that must be zero; of the three decimals of KWD, the last one must be zero.
#[tokio::test(flavor = "multi_thread")]
async fn currencies_with_increments_are_charged() {
    for (currency, amount) in [("ISK", 150_000), ("KWD", 12_340)] {
        let shop = Shop::open().await;
        let buyer = shop.app.signer.user();
        let mut order = shop.new_order(&buyer, OrderStatus::AwaitingPayment);
        order.price = serde_json::from_value(json!({ "amount": amount, "currency": currency })).unwrap();
        shop.publish_order(OrderChange::Confirmed, 1, &order).await;
        let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
        assert_eq!(payment["amount"], json!({ "amount": amount, "currency": currency }));
        shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
        let intent = shop.provider_state().await["paymentIntents"][0].clone();
        assert_eq!(
            (&intent["amount_received"], &intent["currency"]),
            (&json!(amount), &json!(currency.to_lowercase()))
        );
    }
}
