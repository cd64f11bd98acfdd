//! Groups of events: of all events of an entity that a consumer has at once, a handler gets only the newest.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use mongodb::bson::{Document, doc};
use testkit::app::{TestApp, eventually};

use crate::consumer::{is_handled, publish, script_failures, seen, timer, timers};
use crate::demo::app;

/// Publishes an event whose handler waits until [`release`], and then these events of the same timer. Returns once the
/// consumer has received them.
async fn publish_while_first_is_handled(app: &TestApp, later: &[(ExpirationChange, u64)]) -> OrderId {
    let id = script_failures(app, "wait", 1).await;
    publish(app, id).await;
    eventually("the first call", async || seen(app, id).await == 1).await;
    for (change, version) in later {
        app.publish(*change, id, *version, timer(app, id)).await;
    }
    // Messages arrive in order, so the consumer has the messages before this one too.
    let last = OrderId::new();
    publish(app, last).await;
    eventually("the event of another timer", async || is_handled(app, last).await).await;
    assert_eq!(seen(app, id).await, 1, "the others wait");
    id
}

/// Ends the wait of the first call. The next `times` calls fail in the way that `mode` names.
async fn release(app: &TestApp, id: OrderId, mode: &str, times: i32) {
    let script = app.context.database.collection::<Document>("script");
    let change = doc! { "$set": { "released": true, "mode": mode, "times": times } };
    script.update_one(doc! { "_id": id.to_string() }, change).await.unwrap();
}

async fn stored_version(app: &TestApp, id: OrderId) -> Option<u64> {
    app.context.replica::<ExpirationState>().get(id).await.unwrap().map(|stored| stored.version)
}

/// Newer events of a timer, not in the order of their versions.
const THREE_CHANGES: [(ExpirationChange, u64); 3] =
    [(ExpirationChange::Completed, 3), (ExpirationChange::Completed, 4), (ExpirationChange::Completed, 2)];

#[tokio::test(flavor = "multi_thread")]
async fn events_that_arrive_while_their_entity_is_handled_share_the_next_call() {
    let app = app().await;
    let id = publish_while_first_is_handled(&app, &THREE_CHANGES).await;
    release(&app, id, "fine", 0).await;
    app.wait_until_idle().await;
    assert_eq!((seen(&app, id).await, stored_version(&app, id).await), (2, Some(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_newest_event_is_the_only_dead_letter() {
    let app = app().await;
    let id = publish_while_first_is_handled(&app, &THREE_CHANGES).await;
    release(&app, id, "reject", 2).await;
    app.wait_until_idle().await;
    assert_eq!(
        (seen(&app, id).await, stored_version(&app, id).await),
        (3, Some(3)),
        "the second newest event is handled for the rest"
    );
    let letters = app.dead_letters().await;
    let letters: Vec<serde_json::Value> = letters.iter().map(|it| serde_json::from_slice(it).unwrap()).collect();
    assert!(matches!(letters.as_slice(), [letter] if letter["entityversion"] == 4), "{letters:?}");
    app.expect_dead_letters(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_delays_all_events_of_the_group() {
    let app = app().await;
    let id = publish_while_first_is_handled(&app, &THREE_CHANGES).await;
    release(&app, id, "retry", i32::MAX).await;
    eventually("the second call", async || seen(&app, id).await >= 2).await;
    let mut consumer: PullConsumer = timers(&app).await.get_consumer("demo-expiration").await.unwrap();
    eventually("the ack of the first event only", async || consumer.info().await.unwrap().num_ack_pending == 3).await;
    assert_eq!(stored_version(&app, id).await, Some(1));
    release(&app, id, "fine", 0).await;
    app.wait_until_idle().await;
    assert_eq!(stored_version(&app, id).await, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_is_reported_with_a_newer_change() {
    let app = app().await;
    let later = [(ExpirationChange::Snapshot, 2), (ExpirationChange::Completed, 3)];
    let id = publish_while_first_is_handled(&app, &later).await;
    release(&app, id, "fine", 0).await;
    app.wait_until_idle().await;
    assert_eq!((seen(&app, id).await, stored_version(&app, id).await), (2, Some(3)));
    let script = app.context.database.collection::<Document>("script");
    let script = script.find_one(doc! { "_id": id.to_string() }).await.unwrap().unwrap();
    assert_eq!(script.get_i32("snapshots").unwrap(), 1);
}

/// The events wait for longer than the ack wait. Progress acks prevent their redelivery.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_events_are_not_redelivered() {
    let app = app().await;
    let id = publish_while_first_is_handled(&app, &THREE_CHANGES).await;
    let mut consumer: PullConsumer = timers(&app).await.get_consumer("demo-expiration").await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        assert_eq!(consumer.info().await.unwrap().num_redelivered, 0);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    release(&app, id, "fine", 0).await;
    app.wait_until_idle().await;
    assert_eq!(seen(&app, id).await, 2);
}
