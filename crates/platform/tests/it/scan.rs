//! The scan: a snapshot of every entity is published once per scan, at a limited rate.

use std::collections::BTreeMap;
use std::time::Duration;

use common::aggregate::Aggregate;
use common::clock::Clock;
use common::events::user::UserChange;
use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use testkit::app::{TestApp, eventually};

use crate::demo::{Counter, app_with, document, insert};

const HOUR: Duration = Duration::from_secs(3600);
const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);

async fn position(app: &TestApp) -> Option<Document> {
    let positions = app.context.database.collection::<Document>("announcement_scans");
    positions.find_one(doc! { "_id": Counter::COLLECTION }).await.unwrap()
}

/// The number of announcements of each counter's last version.
async fn announcements(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in app.events("demo").await {
        if event.kind == "user.snapshot.v1" && event.entityversion == 1 {
            *counts.entry(event.subject).or_default() += 1;
        }
    }
    counts
}

/// Whether the scan has ended since then.
async fn has_ended(app: &TestApp, scan: &str, since: Timestamp) -> bool {
    let position = position(app).await.unwrap_or_default();
    let ended = position.get_document(scan).ok().and_then(|scan| scan.get_str("ended").ok());
    ended.is_some_and(|ended| ended.parse::<Timestamp>().unwrap() >= since)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_announce_each_entity_once_per_scan() {
    let settings = [("ANNOUNCE_AFTER", "600ms"), ("ANNOUNCE_PER_SECOND", "7"), ("STREAM_MAX_BYTES", "1073741824")];
    let app = app_with(&settings).await;
    let other = app.start_second_instance(crate::demo::build).await;
    let store = app.context.store::<Counter>();
    let mut ids = Vec::new();
    for n in 0..20 {
        let made = insert(&app, &format!("n{n}")).await;
        let next = Counter { done: true, ..made.state.clone() };
        ids.push(store.save(&made, next, UserChange::Updated).await.unwrap().id);
    }
    app.clock.advance(Duration::from_secs(10));
    for id in &ids {
        eventually("the last announcement", async || document(&other, id).await.get("announce").is_none()).await;
    }
    app.wait_until_idle().await;
    let before = announcements(&app).await;
    // Each entity is announced first by the scan of recent entities, and a month later by the scan of all others.
    for (scans, name, pause) in [(1, "recent", 2 * HOUR), (2, "others", MONTH)] {
        app.clock.advance(pause);
        let since = app.clock.now();
        eventually("the end of the scan", async || has_ended(&app, name, since).await).await;
        let expected: BTreeMap<_, _> = before.iter().map(|(id, count)| (id.clone(), count + scans)).collect();
        eventually("the announcements", async || announcements(&app).await.values().eq(expected.values())).await;
        app.wait_until_idle().await;
        assert_eq!(announcements(&app).await, expected, "once per scan, by either instance");
    }
    let turns = position(&app).await.unwrap().get_i64("turn").unwrap();
    assert!(turns >= 6, "at most seven per turn: {turns}");
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_announcements_fill_at_most_a_twentieth_of_the_stream() {
    let app = app_with(&[("ANNOUNCE_PER_SECOND", "10"), ("STREAM_MAX_BYTES", "1048576")]).await;
    for n in 0..20 {
        insert(&app, &format!("n{n}")).await;
    }
    app.clock.advance(2 * HOUR);
    let is_delayed = async || {
        let due: Option<Timestamp> = position(&app).await.map(|it| it.get_str("due").unwrap().parse().unwrap());
        // Ten events of more than 300 bytes take at least 4,900 s at a twentieth of 1 MiB per day.
        due.is_some_and(|due| due.since(app.clock.now()) > Duration::from_secs(3_000))
    };
    eventually("the next turn to be delayed", is_delayed).await;
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_entity_that_can_still_change_stays_in_the_first_scan() {
    let settings = [("ANNOUNCE_AFTER", "600ms"), ("ANNOUNCE_PER_SECOND", "7"), ("STREAM_MAX_BYTES", "1073741824")];
    let app = app_with(&settings).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "open").await;
    let saved = store.save(&made, Counter { done: true, ..made.state.clone() }, UserChange::Updated).await.unwrap();
    app.clock.advance(Duration::from_secs(10));
    eventually("the last announcement", async || document(&app, &saved.id).await.get("announce").is_none()).await;
    // The status can still change, although the entity is soon too old to be recent.
    let counters = app.context.database.collection::<Document>(Counter::COLLECTION);
    let status = doc! { "$set": { "state.status": { "name": "open" } } };
    counters.update_one(doc! { "_id": saved.id.to_string() }, status).await.unwrap();
    app.clock.advance(MONTH);
    let since = app.clock.now();
    eventually("the end of both scans", async || {
        has_ended(&app, "recent", since).await && has_ended(&app, "others", since).await
    })
    .await;
    app.wait_until_idle().await;
    let before = announcements(&app).await;
    // Only the scan of recent entities is repeated after two hours.
    app.clock.advance(2 * HOUR);
    let since = app.clock.now();
    eventually("the end of the first scan", async || has_ended(&app, "recent", since).await).await;
    eventually("the announcement", async || announcements(&app).await.values().gt(before.values())).await;
}
