//! Events of orders: repeated, stale, out of order, cut off by a crash.

use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use expiration::domain::timer::Status;
use platform::stream::subscription::Applied;

use crate::support::{NEVER, app, created, fires, is_set, order, status, timer, told, turned};

const HOLD: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_won_or_over_closes_its_timer() {
    let app = app("100ms").await;
    let witness = order(&app, HOLD);
    let mut closed = Vec::new();
    for (change, status) in [
        (OrderChange::Authorized, OrderStatus::Authorized),
        (OrderChange::Completed, OrderStatus::Completed),
        (OrderChange::Cancelled, OrderStatus::Cancelled),
    ] {
        let order = order(&app, HOLD);
        created(&app, &order).await;
        app.publish(OrderChange::Confirmed, order.id, 1, turned(&order, OrderStatus::AwaitingPayment)).await;
        app.publish(change, order.id, 2, turned(&order, status)).await;
        closed.push(order);
    }
    created(&app, &witness).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    fires(&app, &witness).await;
    for order in &closed {
        assert_eq!(status(&app, order).await, Some(Status::Closed));
        assert_eq!(told(&app, order).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_over_before_it_was_known_never_fires() {
    let app = app("100ms").await;
    let (order, witness) = (order(&app, HOLD), order(&app, HOLD));
    app.publish(OrderChange::Cancelled, order.id, 1, turned(&order, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    created(&app, &order).await;
    created(&app, &witness).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    fires(&app, &witness).await;
    assert_eq!(status(&app, &order).await, Some(Status::Closed));
    assert_eq!(told(&app, &order).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_stale_events_change_nothing() {
    let app = app(NEVER).await;
    let order = order(&app, HOLD);
    let first = app.event(OrderChange::Created, order.id, 0, order.clone());
    let second = app.event(OrderChange::Confirmed, order.id, 1, turned(&order, OrderStatus::AwaitingPayment));
    assert_eq!(app.handle(&first).await.unwrap(), Applied::Applied);
    assert_eq!(app.handle(&first).await.unwrap(), Applied::Stale);
    assert_eq!(app.handle(&second).await.unwrap(), Applied::Applied);
    let before = timer(&app, &order).await;
    assert_eq!(app.handle(&first).await.unwrap(), Applied::Stale);
    assert_eq!(timer(&app, &order).await, before);
    // The same when it has fired: due at the next event, whoever brings it.
    app.clock.advance(HOLD);
    assert_eq!(app.handle(&second).await.unwrap(), Applied::Stale);
    fires(&app, &order).await;
    for event in [&first, &second] {
        app.handle(event).await.unwrap();
    }
    app.wait_until_idle().await;
    assert_eq!(told(&app, &order).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_replica_was_written_is_made_good_by_the_next_delivery() {
    let app = app(NEVER).await;
    let order = order(&app, HOLD);
    let event = app.event(OrderChange::Created, order.id, 0, order.clone());
    app.context.replica().put_if_newer(&event).await.unwrap();
    assert_eq!(timer(&app, &order).await, None);
    assert_eq!(app.handle(&event).await.unwrap(), Applied::Stale);
    assert_eq!(status(&app, &order).await, Some(Status::Pending));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_handled_by_two_instances_at_once_sets_one_timer() {
    let app = app(NEVER).await;
    let other = app.start_second_instance(expiration::build).await;
    for _ in 0..20 {
        let order = order(&app, HOLD);
        let event = app.event(OrderChange::Created, order.id, 0, order.clone());
        let (one, two) = tokio::join!(app.handle(&event), other.handle(&event));
        assert_eq!([one.unwrap(), two.unwrap()].iter().filter(|a| **a == Applied::Applied).count(), 1);
        assert_eq!(timer(&app, &order).await.unwrap().version, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_due_when_it_becomes_known_fires_at_once() {
    let app = app(NEVER).await;
    let order = order(&app, HOLD);
    app.clock.advance(HOLD);
    created(&app, &order).await;
    is_set(&app, &order).await;
    fires(&app, &order).await;
}
