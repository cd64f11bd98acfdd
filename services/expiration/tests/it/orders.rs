//! Order events: duplicate, stale, out of order, interrupted by a crash.

use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use expiration::domain::timer::{Status, Timer};
use platform::stream::subscription::Applied;

use crate::support::{
    NO_SWEEP, app, order, publish_created, published_events, status, timer, wait_until_fired, wait_until_timer_exists,
    with_status,
};

const HOLD: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn authorised_or_ended_order_closes_its_timer() {
    let app = app("100ms").await;
    let sentinel = order(&app, HOLD);
    let mut closed = Vec::new();
    for (change, status) in [
        (OrderChange::Authorized, OrderStatus::Authorized),
        (OrderChange::Completed, OrderStatus::Completed),
        (OrderChange::Cancelled, OrderStatus::Cancelled),
    ] {
        let order = order(&app, HOLD);
        publish_created(&app, &order).await;
        app.publish(OrderChange::Confirmed, order.id, 1, with_status(&order, OrderStatus::AwaitingPayment)).await;
        app.publish(change, order.id, 2, with_status(&order, status)).await;
        closed.push(order);
    }
    publish_created(&app, &sentinel).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    wait_until_fired(&app, &sentinel).await;
    for order in &closed {
        assert_eq!(status(&app, order).await, Some(Status::Closed));
        assert_eq!(published_events(&app, order).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timer_of_an_already_ended_order_never_fires() {
    let app = app("100ms").await;
    let (order, sentinel) = (order(&app, HOLD), order(&app, HOLD));
    app.publish(OrderChange::Cancelled, order.id, 1, with_status(&order, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    publish_created(&app, &order).await;
    publish_created(&app, &sentinel).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    wait_until_fired(&app, &sentinel).await;
    assert_eq!(status(&app, &order).await, Some(Status::Closed));
    assert_eq!(published_events(&app, &order).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_and_stale_events_change_nothing() {
    let app = app(NO_SWEEP).await;
    let order = order(&app, HOLD);
    let first = app.event(OrderChange::Created, order.id, 0, order.clone());
    let second = app.event(OrderChange::Confirmed, order.id, 1, with_status(&order, OrderStatus::AwaitingPayment));
    assert_eq!(app.handle(&first).await.unwrap(), Applied::Applied);
    assert_eq!(app.handle(&first).await.unwrap(), Applied::Stale);
    // The timer does not depend on the order's confirmation.
    assert_eq!(app.handle(&second).await.unwrap(), Applied::Stale);
    let before = timer(&app, &order).await;
    assert_eq!(app.handle(&first).await.unwrap(), Applied::Stale);
    assert_eq!(timer(&app, &order).await, before);
    // Any event fires a due timer; once it has fired, further events change nothing.
    app.clock.advance(HOLD);
    assert_eq!(app.handle(&second).await.unwrap(), Applied::Applied);
    wait_until_fired(&app, &order).await;
    for event in [&first, &second] {
        assert_eq!(app.handle(event).await.unwrap(), Applied::Stale);
    }
    app.wait_until_idle().await;
    assert_eq!(published_events(&app, &order).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_recovers_from_a_crash_before_the_timer_was_closed() {
    let app = app(NO_SWEEP).await;
    let order = order(&app, HOLD);
    let ended = app.event(OrderChange::Cancelled, order.id, 1, with_status(&order, OrderStatus::Cancelled));
    // The handler was interrupted between its two steps.
    let pending = Timer::new(order.id, order.expires_at, order.created_at);
    app.context.store::<Timer>().insert_without_event(pending).await.unwrap();
    assert_eq!(app.handle(&ended).await.unwrap(), Applied::Applied);
    assert_eq!(status(&app, &order).await, Some(Status::Closed));
    // An older event comes last.
    let created = app.event(OrderChange::Created, order.id, 0, order.clone());
    assert_eq!(app.handle(&created).await.unwrap(), Applied::Stale);
    assert_eq!(status(&app, &order).await, Some(Status::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_deliveries_to_two_instances_create_one_timer() {
    let app = app(NO_SWEEP).await;
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
async fn already_expired_order_fires_immediately() {
    let app = app(NO_SWEEP).await;
    let order = order(&app, HOLD);
    app.clock.advance(HOLD);
    publish_created(&app, &order).await;
    wait_until_timer_exists(&app, &order).await;
    wait_until_fired(&app, &order).await;
}
