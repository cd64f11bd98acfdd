//! The error responses of the API.

use std::time::Duration;

use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::id::{OrderId, PaymentId};
use serde_json::{Value, json};
use testkit::app::users::User;

use crate::support::{SECURE, Shop, VISA, authorized_by, cancelled};

#[tokio::test(flavor = "multi_thread")]
async fn validation_errors_name_the_field() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let send = |body: Value| shop.app.request("POST", "/api/payments").as_user(&buyer).json(&body).send();
    for (body, field) in [
        (json!({ "paymentMethod": VISA }), "orderId"),
        (json!({ "orderId": order.id }), "paymentMethod"),
        (json!({ "orderId": "1", "paymentMethod": VISA }), "orderId"),
        (json!({ "orderId": order.id, "paymentMethod": " " }), "paymentMethod"),
        (json!({ "orderId": order.id, "paymentMethod": 4_242 }), "paymentMethod"),
        (json!({ "orderId": order.id, "paymentMethod": "4242424242424242" }), "paymentMethod"),
        (json!({ "orderId": order.id, "paymentMethod": "tok_visa" }), "paymentMethod"),
        (json!({ "orderId": order.id, "paymentMethod": "pm_unknown" }), "paymentMethod"),
        (json!({ "orderId": order.id, "paymentMethod": VISA, "amount": 1 }), "amount"),
    ] {
        assert_eq!(send(body.clone()).await.expect(400).fields(), [field], "{body}");
    }
    send(json!({ "orderId": order.id, "paymentMethod": VISA })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buyer_can_pay_and_read() {
    let shop = Shop::open().await;
    let (buyer, other) = (shop.app.signer.user(), shop.app.signer.user());
    let order = shop.order(&buyer).await;
    let body = json!({ "orderId": order.id, "paymentMethod": VISA });
    shop.app.request("POST", "/api/payments").json(&body).send().await.expect(401);
    shop.pay(&other, &order, VISA).await.expect(404);
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
    for (method, path) in [("GET", path.clone()), ("POST", format!("{path}/refresh"))] {
        shop.app.request(method, &path).send().await.expect(401);
        shop.app.request(method, &path).as_user(&other).send().await.expect(404);
    }
    let unknown = format!("/api/payments/{}", PaymentId::new());
    shop.app.request("GET", &unknown).as_user(&buyer).send().await.expect(404);
    shop.app.request("GET", "/api/payments/1").as_user(&buyer).send().await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_or_unconfirmed_order_is_awaited() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let unknown = OrderState { id: OrderId::new(), ..shop.new_order(&buyer, OrderStatus::Created) };
    let started = tokio::time::Instant::now();
    shop.pay(&buyer, &unknown, VISA).await.expect(404);
    assert!(started.elapsed() >= Duration::from_secs(2));
    let created = shop.new_order(&buyer, OrderStatus::Created);
    shop.publish_order(OrderChange::Created, 0, &created).await;
    let waits = shop.pay(&buyer, &created, VISA).await.expect(503);
    assert_eq!((waits.problem().as_str(), waits.header("retry-after")), ("order-not-confirmed", "2"));
    let confirmed = OrderState { status: OrderStatus::AwaitingPayment, ..created };
    let pays = shop.pay(&buyer, &confirmed, VISA);
    let (paid, ()) = tokio::join!(pays, async {
        shop.publish_order(OrderChange::Confirmed, 1, &confirmed).await;
    });
    paid.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_order_cannot_be_paid() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    for (reason, status) in [(CancelReason::Buyer, 409), (CancelReason::Refused, 409), (CancelReason::Expired, 410)] {
        let order = shop.order(&buyer).await;
        shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, reason)).await;
        shop.pay(&buyer, &order, VISA).await.expect(status);
    }
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    assert_eq!(shop.pay(&buyer, &order, VISA).await.expect(409).problem(), "order-being-paid");
    shop.publish_order(OrderChange::Authorized, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.pay(&buyer, &order, VISA).await.expect(409).problem(), "order-paid");
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_is_rejected_in_the_last_seconds_of_the_hold() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let with_hold = async |hold: Duration, left: Duration| {
        let mut order = shop.new_order(&buyer, OrderStatus::AwaitingPayment);
        order.expires_at = order.created_at.plus(left);
        order.created_at = order.expires_at.minus(hold);
        shop.publish_order(OrderChange::Confirmed, 1, &order).await;
        attempt(&shop, &buyer, &order).await
    };
    let seconds = Duration::from_secs;
    assert_eq!(with_hold(seconds(900), seconds(4)).await, 410);
    assert_eq!(with_hold(seconds(900), seconds(60)).await, 202);
    assert_eq!(with_hold(seconds(20), seconds(1)).await, 410);
    assert_eq!(with_hold(seconds(20), seconds(10)).await, 202);
}

async fn attempt(shop: &Shop, buyer: &User, order: &OrderState) -> u16 {
    shop.pay(buyer, order, SECURE).await.status
}
