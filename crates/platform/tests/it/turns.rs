//! Tests of turns, by which the instances of a service share the outbox sweep and other periodic tasks.
//!
//! The sweep repeats cycles over all unpublished events. Each turn of a cycle is one batch, which one instance takes. A
//! round is a task that one instance does as a whole, once per interval. An instance that stops or has a wrong clock
//! delays the sweep only a little.

use std::collections::BTreeSet;
use std::time::Duration;

use common::aggregate::Aggregate;
use common::clock::Clock;
use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use testkit::app::{TestApp, eventually};

use crate::demo::{Counter, app, app_with};
use crate::outbox::unpublished;

const SWEEP: &str = "sweep counters";
const MINUTE: Duration = Duration::from_secs(60);
/// The sweeper's batch size.
const BATCH_SIZE: usize = 500;

/// Inserts this many documents with one unpublished event each, a millisecond apart. Returns the events' ids.
async fn insert_backlog(app: &TestApp, count: u64) -> BTreeSet<String> {
    let start = app.clock.now().minus(MINUTE);
    let made = (0..count).map(|n| unpublished(&format!("n{n}"), 1, start.plus(Duration::from_millis(n))));
    let (documents, ids): (Vec<_>, Vec<_>) = made.map(|(document, _, ids)| (document, ids)).unzip();
    app.context.database.collection::<Document>(Counter::COLLECTION).insert_many(documents).await.unwrap();
    ids.concat().into_iter().collect()
}

async fn turn(app: &TestApp, task: &str) -> Option<Document> {
    app.context.database.collection("turns").find_one(doc! { "_id": task }).await.unwrap()
}

/// Stores the next turn of the sweep as another instance would. It may be taken from `due` on, and begins after the
/// event time `after`, or at the start of a cycle.
async fn leave_turn(app: &TestApp, due: Timestamp, after: Option<String>) {
    let turn = doc! { "_id": SWEEP, "turn": 7_i64, "due": due.to_string(), "after": after };
    app.context.database.collection::<Document>("turns").insert_one(turn).await.unwrap();
}

async fn published(app: &TestApp) -> Vec<String> {
    app.events("demo").await.into_iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweepers_share_a_backlog_and_publish_each_event_once() {
    // Cycles are far enough apart that a batch is published before it could be found again.
    let app = app_with(&[("OUTBOX_SWEEP_INTERVAL", "4s")]).await;
    let other = app.start_second_instance(crate::demo::build).await;
    let ids = insert_backlog(&app, 2_000).await;
    eventually("the backlog to be published", async || app.outbox_backlog().await == 0).await;
    assert_eq!(published(&other).await.into_iter().collect::<BTreeSet<_>>(), ids);
    // Both instances run in this process, so the counter includes the events of both. The stream discards
    // duplicates, but the counter would include them.
    assert_eq!(app.metric("events_published_total").await, Some(2_000.0));
    let turns = turn(&app, SWEEP).await.unwrap().get_i64("turn").unwrap();
    assert!(turns >= i64::try_from(2_000 / BATCH_SIZE).unwrap(), "each turn is one batch: {turns}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_same_time_are_found_in_later_cycles() {
    let app = app().await;
    let start = app.clock.now().minus(MINUTE);
    let documents: Vec<_> = (0..1_200).map(|n| unpublished(&format!("n{n}"), 1, start).0).collect();
    app.context.database.collection::<Document>(Counter::COLLECTION).insert_many(documents).await.unwrap();
    app.wait_until_idle().await;
    assert_eq!(published(&app).await.into_iter().collect::<BTreeSet<_>>().len(), 1_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_of_an_instance_that_stopped_is_published_in_the_next_cycle() {
    let app = app().await;
    // Another instance has taken all batches up to now and stopped before it published them.
    leave_turn(&app, app.clock.now(), Some(app.clock.now().to_string())).await;
    let ids = insert_backlog(&app, 100).await;
    app.wait_until_idle().await;
    assert_eq!(published(&app).await.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn turn_of_an_instance_with_a_fast_clock_is_taken() {
    let app = app().await;
    leave_turn(&app, app.clock.now().plus(60 * MINUTE), None).await;
    let ids = insert_backlog(&app, 100).await;
    app.wait_until_idle().await;
    assert_eq!(published(&app).await.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeper_without_a_backlog_takes_no_turn() {
    let app = app().await;
    crate::demo::insert(&app, "one").await;
    app.wait_until_idle().await;
    assert_eq!(turn(&app, SWEEP).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn round_is_taken_by_one_instance_at_a_time() {
    let app = app().await;
    let (turns, now, interval) = (app.context.turns(), app.clock.now(), Duration::from_secs(10));
    let take = async |now: Timestamp| turns.take_round("task", now, interval).await.unwrap();
    let (first, second) = tokio::join!(take(now), take(now));
    assert!(first != second, "one of two that begin at once");
    assert!(!take(now.plus(Duration::from_secs(7))).await);
    assert!(take(now.plus(Duration::from_secs(8))).await, "the shortest jittered interval");
    assert!(!take(now.plus(Duration::from_secs(9))).await);
    assert!(take(now.minus(MINUTE)).await, "the other clock is a minute ahead");
}
