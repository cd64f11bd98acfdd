//! Tests of the removal of published events from an outbox: by the document's next write, after a delay, by the sweep
//! of another instance, or at shutdown.

use std::time::Duration;

use common::aggregate::{Aggregate, Versioned};
use common::events::envelope::Envelope;
use common::events::user::{UserChange, UserState};
use futures::future::join_all;
use mongodb::bson::{Bson, Document, doc};
use platform::store::error::StoreError;
use testkit::app::proxy::Proxy;
use testkit::app::{TestApp, eventually};

use crate::demo::{Counter, app_with, build, document, insert};

/// Settings with a removal delay and a sweep interval that are longer than a test. An instance with them removes
/// published events only in a document's next write or when it is stopped. A test must not leave events in an outbox,
/// so it stops such an instance, or lets another instance remove them.
const NEVER: [(&str, &str); 2] = [("OUTBOX_REMOVAL_DELAY", "1h"), ("OUTBOX_SWEEP_INTERVAL", "1h")];

/// Waits until NATS has acknowledged this many events. The metric counts those of all instances, because they run in
/// one process.
async fn wait_until_published(app: &TestApp, count: f64) {
    eventually("the acks", async || app.metric("events_published_total").await == Some(count)).await;
}

/// Returns the versions of the events in the counter's outbox.
async fn versions_in_outbox(app: &TestApp, counter: &Versioned<Counter>) -> Vec<u64> {
    let stored = document(app, counter.id).await;
    let version = |event: &Bson| {
        let payload = event.as_document().unwrap().get_str("payload").unwrap();
        serde_json::from_str::<Envelope<UserState>>(payload).unwrap().entityversion
    };
    stored.get_array("outbox").unwrap().iter().map(version).collect()
}

/// Returns the versions of the events in the stream, in ascending order.
async fn published_versions(app: &TestApp) -> Vec<u64> {
    let mut versions: Vec<_> = app.events("demo").await.iter().map(|event| event.entityversion).collect();
    versions.sort_unstable();
    versions
}

#[tokio::test(flavor = "multi_thread")]
async fn write_removes_published_events_and_leaves_those_of_a_cut_off_instance() {
    let app = app_with(&NEVER).await;
    let nats = Proxy::of_nats();
    let settings =
        [("NATS_URL", nats.url()), ("OUTBOX_REMOVAL_DELAY", "20ms".into()), ("OUTBOX_SWEEP_INTERVAL", "200ms".into())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let cut_off = app.start_second_instance_with(build, &settings).await;
    nats.stall();
    let made = insert(&cut_off, "one").await;
    let store = app.context.store::<Counter>();
    let saved = store.save(&made, made.incremented(), UserChange::Updated).await.unwrap();
    wait_until_published(&app, 1.0).await;
    assert_eq!(versions_in_outbox(&app, &made).await, [0, 1]);
    let saved = store.save(&saved, saved.incremented(), UserChange::Updated).await.unwrap();
    wait_until_published(&app, 2.0).await;
    assert_eq!(versions_in_outbox(&app, &made).await, [0, 2], "the first version is in no stream");
    assert_eq!(published_versions(&app).await, [1, 2]);
    assert_eq!(store.get(made.id).await.unwrap().unwrap(), saved);
    nats.restore();
    app.wait_until_idle().await;
    assert_eq!(published_versions(&app).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn write_that_removes_events_stores_the_state_literally() {
    let app = app_with(&NEVER).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    wait_until_published(&app, 1.0).await;
    let documents = app.context.database.collection::<Document>(Counter::COLLECTION);
    let newer = doc! { "$set": { "state.colour": "red", "shard": 7 } };
    documents.update_one(doc! { "_id": made.id.to_string() }, newer).await.unwrap();
    let next = Counter { name: "$state.id".to_owned(), done: true, ..made.incremented() };
    let saved = store.save(&made, next.clone(), UserChange::Updated).await.unwrap();
    assert_eq!(versions_in_outbox(&app, &made).await, [1], "this write removed the first event");
    let stored = document(&app, made.id).await;
    assert_eq!(stored.get_document("state").unwrap().get_str("name").unwrap(), "$state.id");
    assert_eq!(stored.get_document("state").unwrap().get("colour"), None, "the state is replaced as a whole");
    assert_eq!(stored.get("shard"), Some(&Bson::Int32(7)), "other fields are unchanged");
    assert_eq!(store.get(made.id).await.unwrap().unwrap(), Versioned { version: 1, state: next });
    assert!(stored.get_document("announce").unwrap().get_str("at").is_ok());
    wait_until_published(&app, 2.0).await;
    assert_eq!(app.events("demo").await[1].data["displayName"], "$state.id 1");

    let again = store.save(&saved, saved.incremented(), UserChange::Updated).await.unwrap();
    assert_eq!((versions_in_outbox(&app, &made).await, again.version), (vec![2], 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_swap_leaves_the_removal_to_the_next_write() {
    let app = app_with(&NEVER).await;
    let other = app.start_second_instance(build).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    wait_until_published(&app, 1.0).await;
    let elsewhere = other.context.store::<Counter>();
    let saved = elsewhere.save(&made, made.incremented(), UserChange::Updated).await.unwrap();
    let lost = store.save(&made, made.incremented(), UserChange::Updated).await;
    assert!(matches!(lost, Err(StoreError::VersionConflict)), "{lost:?}");
    assert_eq!(versions_in_outbox(&app, &made).await, [0, 1]);
    store.save(&saved, saved.incremented(), UserChange::Updated).await.unwrap();
    assert_eq!(versions_in_outbox(&app, &made).await, [1, 2]);
    wait_until_published(&app, 3.0).await;
    app.stop().await;
    other.stop().await;
    assert_eq!(app.outbox_backlog().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_removing_writes_gets_its_own_result() {
    let app = app_with(&NEVER).await;
    let other = app.start_second_instance(build).await;
    let (store, elsewhere) = (app.context.store::<Counter>(), other.context.store::<Counter>());
    let names: Vec<_> = (0..60).map(|n| format!("counter {n}")).collect();
    let made = join_all(names.iter().map(|name| insert(&app, name))).await;
    wait_until_published(&app, 60.0).await;
    // Another instance changes every third counter first.
    let faster = made.iter().step_by(3).map(|made| elsewhere.save(made, made.incremented(), UserChange::Updated));
    assert!(join_all(faster).await.iter().all(Result::is_ok));
    let saves = join_all(made.iter().map(|made| store.save(made, made.incremented(), UserChange::Updated))).await;
    for (n, (made, save)) in made.iter().zip(&saves).enumerate() {
        let is_first = n % 3 != 0;
        assert_eq!(save.is_ok(), is_first, "{n}: {save:?}");
        let expected: &[u64] = if is_first { &[1] } else { &[0, 1] };
        assert_eq!(versions_in_outbox(&app, made).await, expected, "{n}");
    }
    wait_until_published(&app, 120.0).await;
    app.stop().await;
    other.stop().await;
    assert_eq!(app.outbox_backlog().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn published_event_is_removed_after_the_delay_without_a_sweep() {
    let app = app_with(&[("OUTBOX_REMOVAL_DELAY", "800ms"), ("OUTBOX_SWEEP_INTERVAL", "1h")]).await;
    let made = insert(&app, "one").await;
    wait_until_published(&app, 1.0).await;
    eventually("the removal", async || app.outbox_backlog().await == 0).await;
    assert_eq!(document(&app, made.id).await.get_i64("version").unwrap(), 0, "the removal is not a change");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_removes_published_events() {
    let app = app_with(&NEVER).await;
    insert(&app, "one").await;
    wait_until_published(&app, 1.0).await;
    assert_eq!(app.outbox_backlog().await, 1);
    app.stop().await;
    assert_eq!(app.outbox_backlog().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeper_does_not_publish_what_its_instance_has_published() {
    let app = app_with(&[("OUTBOX_REMOVAL_DELAY", "1h")]).await;
    insert(&app, "one").await;
    wait_until_published(&app, 1.0).await;
    app.clock.advance(Duration::from_secs(60));
    let turns = app.context.database.collection::<Document>("turns");
    eventually("two sweeps", async || {
        let turn = turns.find_one(doc! { "_id": "sweep counters" }).await.unwrap();
        turn.is_some_and(|turn| turn.get_i64("turn").unwrap() >= 2)
    })
    .await;
    assert_eq!(app.metric("events_published_total").await, Some(1.0));
    app.stop().await;
}
