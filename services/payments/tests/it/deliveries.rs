//! Every row of the subscription table: repeated, stale, reordered, twice at once, lost.

use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use platform::stream::subscription::Applied;
use testkit::app::eventually;

use crate::support::{Shop, VISA, cancelled, won};

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_stale_events_change_nothing() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let event = shop.app.event(OrderChange::Authorized, order.id, 2, won(&order, &payment));
    assert_eq!(shop.app.handle(&event).await.unwrap(), Applied::Applied);
    // A crash between the write and the ack: it comes again.
    assert_eq!(shop.app.handle(&event).await.unwrap(), Applied::Stale);
    let stale = shop.app.event(OrderChange::Confirmed, order.id, 1, order.clone());
    assert_eq!(shop.app.handle(&stale).await.unwrap(), Applied::Stale);
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_overtakes_the_order_closes_it() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.new_order(&buyer, OrderStatus::AwaitingPayment);
    shop.tell(OrderChange::Cancelled, 2, &cancelled(&order, CancelReason::Buyer)).await;
    shop.tell(OrderChange::Confirmed, 1, &order).await;
    shop.tell(OrderChange::Created, 0, &OrderState { status: OrderStatus::Created, ..order.clone() }).await;
    shop.pay(&buyer, &order, VISA).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_at_once_capture_once() {
    let shop = Shop::open().await;
    let second = shop.app.start_second_instance(payments::build).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let event = shop.app.event(OrderChange::Authorized, order.id, 2, won(&order, &payment));
    let (one, two) = tokio::join!(shop.app.handle(&event), second.handle(&event));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(shop.history(&payment).await, ["started", "authorized", "captured"]);
    assert_eq!(shop.intents().await, ["succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_that_disagree_end_in_the_provider_s_word() {
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
async fn a_lost_last_event_heals_by_the_order_s_announcement() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    // order.authorized is lost; a minute later orders announces its order again.
    shop.tell(OrderChange::Snapshot, 2, &won(&order, &payment)).await;
    assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_missed_our_event_is_told_again() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    shop.app.wait_until_idle().await;
    // orders still waits for a payment, so payment.authorized was lost.
    shop.tell(OrderChange::Snapshot, 1, &order).await;
    eventually("the payment to be announced", async || shop.history(&payment).await.contains(&"snapshot".to_owned()))
        .await;
    let announced = shop.app.events("payments").await.into_iter().find(|event| event.kind == "payment.snapshot.v1");
    assert_eq!(announced.unwrap().data["status"], "authorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_is_kept_and_blocks_nothing() {
    let shop = Shop::open().await;
    shop.app.expect_dead_letters(1);
    shop.app.publish_raw("orders", "order", "order.created.v1", b"{\"not\": \"an event\"}").await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    shop.pay(&buyer, &order, VISA).await.expect(201);
    assert_eq!(shop.app.dead_letters().await, [b"{\"not\": \"an event\"}"]);
}
