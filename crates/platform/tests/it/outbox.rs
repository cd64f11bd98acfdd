//! Publishing from the outbox: by the relay at once, by the sweeper after a crash or an outage of NATS.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::clock::Clock;
use common::events::envelope::Envelope;
use common::events::user::{UserChange, UserState};
use common::id::UserId;
use common::timestamp::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;
use testkit::app::proxy::Proxy;
use testkit::app::{TestApp, eventually};

use crate::demo::{Counter, app, app_with, document, insert};

const MINUTE: Duration = Duration::from_secs(60);

/// Inserts a document with unpublished events, as left by an instance that crashed at `then` by its clock.
async fn insert_unpublished(app: &TestApp, name: &str, events: u64, then: Timestamp) -> (UserId, Vec<String>) {
    let (document, id, ids) = unpublished(name, events, then);
    app.context.database.collection::<Document>(Counter::COLLECTION).insert_one(document).await.unwrap();
    (id, ids)
}

/// A document with unpublished events, its id, and the events' ids.
pub(crate) fn unpublished(name: &str, events: u64, then: Timestamp) -> (Document, UserId, Vec<String>) {
    let counter = Counter { count: events - 1, ..Counter::new(name, then) };
    let mut ids = Vec::new();
    let outbox: Vec<_> = (0..events)
        .map(|version| {
            let event: Envelope<UserState> =
                Envelope::new(UserChange::Updated, counter.id.to_string(), version, then, counter.payload());
            ids.push(event.id.to_string());
            let payload = serde_json::to_string(&event).unwrap();
            let time = then.to_string();
            Bson::Document(doc! {
                "id": event.id.to_string(), "type": event.kind, "time": time, "payload": payload, "traceparent": null,
            })
        })
        .collect();
    let state = mongodb::bson::serialize_to_bson(&counter).unwrap();
    let version = i64::try_from(events - 1).unwrap();
    let document = doc! { "_id": counter.id.to_string(), "version": version, "state": state, "outbox": outbox };
    (document, counter.id, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeper_publishes_events_that_a_crash_left() {
    let app = app().await;
    // In the last case, the clock of the crashed instance was ahead.
    for then in [app.clock.now().minus(MINUTE), app.clock.now(), app.clock.now().plus(60 * MINUTE)] {
        let (id, ids) = insert_unpublished(&app, &format!("crashed at {then}"), 3, then).await;
        app.wait_until_idle().await;
        let mut published = app.events("demo").await;
        published.retain(|event| event.subject == id.to_string());
        let mut versions: Vec<_> = published.iter().map(|event| event.entityversion).collect();
        versions.sort_unstable();
        assert_eq!(versions, [0, 1, 2], "{then}");
        assert!(published.iter().all(|event| ids.contains(&event.id.to_string())), "with their original ids");
        assert!(document(&app, id).await.get_array("outbox").unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweepers_publish_each_event_once() {
    let app = app().await;
    let other = app.start_second_instance(crate::demo::build).await;
    let mut all = Vec::new();
    for n in 0..120 {
        all.extend(insert_unpublished(&app, &format!("n{n}"), 2, app.clock.now().minus(MINUTE)).await.1);
    }
    app.wait_until_idle().await;
    let mut published: Vec<_> = other.events("demo").await.into_iter().map(|event| event.id.to_string()).collect();
    published.sort();
    all.sort();
    assert_eq!(published, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_is_published_twice_is_deduplicated() {
    let app = app().await;
    let made = insert(&app, "one").await;
    app.wait_until_idle().await;
    let first = app.events("demo").await;
    // The event is put into the outbox again, as if its removal had been lost, and is old enough for the sweeper.
    let payload = serde_json::to_string(&first[0]).unwrap();
    let old = app.clock.now().minus(MINUTE).to_string();
    let event = doc! { "id": first[0].id.to_string(), "type": &first[0].kind, "time": old, "payload": payload };
    let documents = app.context.database.collection::<Document>(Counter::COLLECTION);
    let put_back = doc! { "$push": { "outbox": event } };
    documents.update_one(doc! { "_id": made.id.to_string() }, put_back).await.unwrap();
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await, first, "the stream recognises its id");
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_does_not_remove_newer_events() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let mut current = insert(&app, "busy").await;
    for _ in 0..50 {
        current = store.save(&current, current.incremented(), UserChange::Updated).await.unwrap();
    }
    app.wait_until_idle().await;
    let mut versions: Vec<_> = app.events("demo").await.into_iter().map(|event| event.entityversion).collect();
    versions.sort_unstable();
    assert_eq!(versions, (0..=50).collect::<Vec<_>>());
}

/// The value of this metric for the demo's collection, as /metrics shows it.
async fn metric(app: &TestApp, name: &str) -> Option<f64> {
    let text = app.monitor("/metrics").send().await.expect(200).text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{collection=\"counters\"}}")));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_continue_during_a_nats_outage() {
    let nats = Proxy::of_nats();
    let app = app_with(&[("NATS_URL", &nats.url())]).await;
    let user = app.signer.user();
    let create = |name: &str| app.request("POST", "/api/demo").as_user(&user).json(&json!({ "name": name })).send();
    create("before").await.expect(201);
    app.wait_until_idle().await;
    nats.disconnect();
    let mut ids = Vec::new();
    for n in 0..20 {
        let made = create(&format!("n{n}")).await.expect(201).json();
        ids.push(made["state"]["id"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        app.request("PUT", &format!("/api/demo/{id}")).send().await.expect(200);
        app.request("GET", &format!("/api/demo/{id}")).send().await.expect(200);
    }
    app.monitor("/readyz").send().await.expect(200);
    eventually("the metric", async || metric(&app, "outbox_pending").await >= Some(20.0)).await;
    eventually("the age", async || metric(&app, "outbox_oldest_age_seconds").await > Some(0.0)).await;
    assert_eq!(app.outbox_backlog().await, 20);
    nats.restore();
    app.wait_until_idle().await;
    let published = app.events("demo").await;
    assert_eq!(published.len(), 41, "each event once");
    for id in &ids {
        let versions: Vec<_> = published.iter().filter(|e| e.subject == *id).map(|e| e.entityversion).collect();
        assert!(versions.contains(&0) && versions.contains(&1), "{versions:?}");
    }
    eventually("the metric to fall", async || metric(&app, "outbox_pending").await == Some(0.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_starts_without_nats_and_publishes_later() {
    let nats = Proxy::of_nats();
    nats.disconnect();
    let app = app_with(&[("NATS_URL", &nats.url())]).await;
    let made = insert(&app, "early").await;
    app.monitor("/readyz").send().await.expect(200);
    nats.restore();
    app.wait_until_idle().await;
    assert_eq!(app.history("demo", made.id).await, [("user.registered.v1".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_nats_does_not_prevent_startup() {
    // No server listens on this free port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("nats://127.0.0.1:{port}");
    let app = app_with(&[("NATS_URL", &url), ("SHUTDOWN_GRACE", "1s")]).await;
    let made = insert(&app, "alone").await;
    app.monitor("/readyz").send().await.expect(200);
    app.monitor("/healthz").send().await.expect(200);
    eventually("the metric", async || metric(&app, "outbox_pending").await == Some(1.0)).await;
    assert_eq!(document(&app, made.id).await.get_array("outbox").unwrap().len(), 1);
    // The event is never published. End the instance as a kill would, with the event in the outbox.
    app.context.tasks.stop_token().cancel();
    std::mem::forget(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_queries_use_indexes() {
    let app = app().await;
    for n in 0..50 {
        insert(&app, &format!("n{n}")).await;
    }
    app.wait_until_idle().await;
    let now = app.clock.now().to_string();
    // The queries of the sweeper, of the two outbox metrics and of the announcer use indexes.
    for (command, index) in [
        (
            doc! { "find": "counters", "filter": { "outbox.0.time": { "$exists": true },
            "$or": [{ "outbox.0.time": { "$lte": &now } }, { "outbox.0.time": { "$gt": &now } }] },
            "sort": { "outbox.0.time": 1 }, "limit": 500 },
            "outbox_v1",
        ),
        (
            doc! { "find": "counters", "filter": { "outbox.0.time": { "$exists": true } },
            "sort": { "outbox.0.time": 1 }, "limit": 1 },
            "outbox_v1",
        ),
        (
            doc! { "aggregate": "counters", "cursor": {}, "pipeline": [
            { "$match": { "outbox.0.time": { "$exists": true } } },
            { "$group": { "_id": 1, "n": { "$sum": 1 } } } ] },
            "outbox_v1",
        ),
        (
            doc! { "find": "counters", "filter": { "announce.at": { "$exists": true, "$lte": &now } },
            "sort": { "announce.at": 1 }, "limit": 200 },
            "announce_v1",
        ),
    ] {
        let shown = command.to_string();
        let explain = doc! { "explain": command, "verbosity": "executionStats" };
        let explained = app.context.database.run_command(explain).await.unwrap();
        // The explanation of an aggregation contains that of its initial find.
        let inner = explained.get_array("stages").ok().and_then(|stages| stages[0].as_document()?.get("$cursor"));
        let inner = inner.and_then(Bson::as_document).unwrap_or(&explained);
        let plan = inner.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap().to_string();
        assert!(plan.contains("IXSCAN") && plan.contains(index), "{shown}: {plan}");
        assert!(!plan.contains("COLLSCAN") && !plan.contains("\"SORT\""), "{shown}: {plan}");
        if index == "outbox_v1" {
            let stats = inner.get_document("executionStats").unwrap();
            let keys = stats.get("totalKeysExamined").unwrap();
            assert!(matches!(keys, Bson::Int32(0) | Bson::Int64(0)), "an empty outbox is not indexed: {keys}");
        }
    }
}
