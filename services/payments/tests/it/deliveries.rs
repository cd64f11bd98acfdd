//! Delivery of events of orders: repeated, stale, reordered, concurrent, or lost.

use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use platform::stream::subscription::Applied;
use testkit::app::eventually;

use crate::support::{Shop, VISA, authorized_by, cancelled};

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_stale_events_change_nothing() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let event = shop.app.event(OrderChange::Authorized, order.id, 2, authorized_by(&order, &payment));
    assert_eq!(shop.app.handle(&event).await.unwrap(), Applied::Applied);
    // After a crash between the write and the ack, the event is redelivered.
    assert_eq!(shop.app.handle(&event).await.unwrap(), Applied::Stale);
    let stale = shop.app.event(OrderChange::Confirmed, order.id, 1, order.clone());
    assert_eq!(shop.app.handle(&stale).await.unwrap(), Applied::Stale);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancellation_that_overtakes_its_order_closes_it() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.new_order(&buyer, OrderStatus::AwaitingPayment);
    shop.publish_order(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Buyer)).await;
    shop.publish_order(OrderChange::Confirmed, 1, &order).await;
    shop.publish_order(OrderChange::Created, 0, &OrderState { status: OrderStatus::Created, ..order.clone() }).await;
    shop.pay(&buyer, &order, VISA).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_instances_capture_once() {
    let shop = Shop::open().await;
    let second = shop.app.start_second_instance(payments::build).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let event = shop.app.event(OrderChange::Authorized, order.id, 2, authorized_by(&order, &payment));
    let (one, two) = tokio::join!(shop.app.handle(&event), second.handle(&event));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_instances_converge_on_the_provider_status() {
    let shop = Shop::open().await;
    let second = shop.app.start_second_instance(payments::build).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let close = shop.app.event(OrderChange::Cancelled, order.id, 2, cancelled(&order, CancelReason::Expired));
    let again = shop.app.event(OrderChange::Snapshot, order.id, 2, cancelled(&order, CancelReason::Expired));
    let (one, two) = tokio::join!(shop.app.handle(&close), second.handle(&again));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(shop.read(&buyer, &payment).await["status"], "voided");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_of_the_order_replaces_a_lost_event() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    // order.authorized is lost; a minute later `orders` publishes a snapshot of the order.
    shop.publish_order(OrderChange::Snapshot, 2, &authorized_by(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_is_announced_when_orders_still_waits_for_it() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.app.wait_until_idle().await;
    // `orders` still waits for a payment, so payment.authorized was lost.
    shop.publish_order(OrderChange::Snapshot, 1, &order).await;
    eventually("the payment to be announced", async || shop.history(&payment).await.contains(&"snapshot".to_owned()))
        .await;
    let announced = shop.app.events("payments").await.into_iter().find(|event| event.kind == "payment.snapshot.v1");
    assert_eq!(announced.unwrap().data["status"], "authorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_message_becomes_a_dead_letter_without_blocking() {
    let shop = Shop::open().await;
    shop.app.expect_dead_letters(1);
    shop.app.publish_raw("orders", "order", "order.created.v1", b"{\"not\": \"an event\"}").await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.app.dead_letters().await, [b"{\"not\": \"an event\"}"]);
}
