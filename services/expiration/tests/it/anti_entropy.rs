//! Anti-entropy: which timers are announced (published again as snapshots), and which never are.

use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use expiration::domain::timer::Status;
use serde_json::json;
use testkit::app::eventually;

use crate::support::{app, app_with, order, publish_created, published_events, status, wait_until_fired, with_status};

const HOLD: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn order_snapshot_leads_to_a_snapshot_if_orders_missed_the_expiry() {
    let app = app("100ms").await;
    let order = order(&app, HOLD);
    let waiting = with_status(&order, OrderStatus::AwaitingPayment);
    publish_created(&app, &order).await;
    // The hold has not expired: there is nothing to publish.
    app.publish(OrderChange::Snapshot, order.id, 1, waiting.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(published_events(&app, &order).await, []);
    app.clock.advance(HOLD);
    wait_until_fired(&app, &order).await;
    // A change that was in flight when the timer fired is no sign of a missed event.
    app.publish(OrderChange::Confirmed, order.id, 1, waiting.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(published_events(&app, &order).await.len(), 1);
    app.publish(OrderChange::Snapshot, order.id, 1, waiting).await;
    let again = [("expiration.completed.v1".to_owned(), 1), ("expiration.snapshot.v1".to_owned(), 1)];
    eventually("the snapshot", async || published_events(&app, &order).await == again).await;
    // The orders service has received the event: the order has ended.
    app.publish(OrderChange::Snapshot, order.id, 2, with_status(&order, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    assert_eq!(published_events(&app, &order).await, again);
}

/// The database of `orders` was restored to a moment before the payment, and that of `expiration` was not. The order is
/// unpaid again, and its hold ends.
#[tokio::test(flavor = "multi_thread")]
async fn snapshot_of_an_unpaid_order_opens_its_closed_timer() {
    let app = app("100ms").await;
    let order = order(&app, HOLD);
    let waiting = with_status(&order, OrderStatus::AwaitingPayment);
    publish_created(&app, &order).await;
    app.publish(OrderChange::Authorized, order.id, 2, with_status(&order, OrderStatus::Authorized)).await;
    app.wait_until_idle().await;
    app.publish(OrderChange::Confirmed, order.id, 1, waiting.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(status(&app, &order).await, Some(Status::Closed), "a late change does not open it");
    app.publish(OrderChange::Snapshot, order.id, 1, waiting).await;
    app.wait_until_idle().await;
    assert_eq!(status(&app, &order).await, Some(Status::Pending));
    app.clock.advance(HOLD);
    eventually("the timer to fire", async || matches!(status(&app, &order).await, Some(Status::Fired { .. }))).await;
    app.wait_until_idle().await;
    let published = published_events(&app, &order).await;
    assert!(matches!(&published[..], [(kind, _)] if kind == "expiration.completed.v1"), "{published:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_fired_timers_are_announced() {
    let app = app_with(&[("TIMER_SWEEP_INTERVAL", "100ms"), ("ANNOUNCE_AFTER", "300ms")]).await;
    let (pending, closed, fired) = (order(&app, 2 * HOLD), order(&app, HOLD), order(&app, HOLD));
    for order in [&pending, &closed, &fired] {
        publish_created(&app, order).await;
    }
    app.publish(OrderChange::Cancelled, closed.id, 1, with_status(&closed, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    let again = [("expiration.completed.v1".to_owned(), 1), ("expiration.snapshot.v1".to_owned(), 1)];
    eventually("the only snapshot", async || published_events(&app, &fired).await == again).await;
    let response = app.admin("POST", "/resync").json(&json!({ "all": true })).send().await.expect(200).json();
    assert_eq!(response, json!({ "announced": { "timers": 1 } }));
    eventually("the resync", async || published_events(&app, &fired).await.len() == 3).await;
    assert_eq!((published_events(&app, &pending).await, published_events(&app, &closed).await), (vec![], vec![]));
}
