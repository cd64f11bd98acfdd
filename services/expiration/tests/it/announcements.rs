//! Anti-entropy: what is announced again, and what never is.

use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use serde_json::json;
use testkit::app::eventually;

use crate::support::{app, created, fires, order, told, turned, with};

const HOLD: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_missed_the_event_is_told_again() {
    let app = app("100ms").await;
    let order = order(&app, HOLD);
    let waiting = turned(&order, OrderStatus::AwaitingPayment);
    created(&app, &order).await;
    // Still open before its time: there is nothing to tell.
    app.publish(OrderChange::Snapshot, order.id, 1, waiting.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(told(&app, &order).await, []);
    app.clock.advance(HOLD);
    fires(&app, &order).await;
    // An event that was under way when the timer fired is no sign of a loss.
    app.publish(OrderChange::Confirmed, order.id, 1, waiting.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(told(&app, &order).await.len(), 1);
    app.publish(OrderChange::Snapshot, order.id, 1, waiting).await;
    let again = [("expiration.completed.v1".to_owned(), 1), ("expiration.snapshot.v1".to_owned(), 1)];
    eventually("the announcement", async || told(&app, &order).await == again).await;
    // orders knows: it says that the order is over.
    app.publish(OrderChange::Snapshot, order.id, 2, turned(&order, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    assert_eq!(told(&app, &order).await, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_fired_timers_are_ever_announced() {
    let app = with(&[("TIMER_SWEEP_INTERVAL", "100ms"), ("ANNOUNCE_AFTER", "300ms")]).await;
    let (pending, closed, fired) = (order(&app, 2 * HOLD), order(&app, HOLD), order(&app, HOLD));
    for order in [&pending, &closed, &fired] {
        created(&app, order).await;
    }
    app.publish(OrderChange::Cancelled, closed.id, 1, turned(&closed, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    let again = [("expiration.completed.v1".to_owned(), 1), ("expiration.snapshot.v1".to_owned(), 1)];
    eventually("the one announcement", async || told(&app, &fired).await == again).await;
    let answer = app.admin("POST", "/resync").json(&json!({ "all": true })).send().await.expect(200).json();
    assert_eq!(answer, json!({ "announced": { "timers": 1 } }));
    eventually("the resync", async || told(&app, &fired).await.len() == 3).await;
    assert_eq!((told(&app, &pending).await, told(&app, &closed).await), (vec![], vec![]));
}
