//! The rotation: what is at rest is announced again, slowly, once in each lap.

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

async fn rotation(app: &TestApp) -> Option<Document> {
    let rotations = app.context.database.collection::<Document>("announcement_scans");
    rotations.find_one(doc! { "_id": Counter::COLLECTION }).await.unwrap()
}

/// How often each counter's last version was announced.
async fn announcements(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in app.events("demo").await {
        if event.kind == "user.snapshot.v1" && event.entityversion == 1 {
            *counts.entry(event.subject).or_default() += 1;
        }
    }
    counts
}

/// Whether a lap has ended since then.
async fn has_ended(app: &TestApp, lap: &str, since: Timestamp) -> bool {
    let rotation = rotation(app).await.unwrap_or_default();
    let ended = rotation.get_document(lap).ok().and_then(|lap| lap.get_str("ended").ok());
    ended.is_some_and(|ended| ended.parse::<Timestamp>().unwrap() >= since)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_announce_everything_once_in_each_lap() {
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
    // First as what came to rest a while ago, then as what has been at rest for long.
    for (lap, name, pause) in [(1, "recent", 2 * HOUR), (2, "others", MONTH)] {
        app.clock.advance(pause);
        let since = app.clock.now();
        eventually("the end of the lap", async || has_ended(&app, name, since).await).await;
        let expected: BTreeMap<_, _> = before.iter().map(|(id, count)| (id.clone(), count + lap)).collect();
        eventually("the announcements", async || announcements(&app).await.values().eq(expected.values())).await;
        app.wait_until_idle().await;
        assert_eq!(announcements(&app).await, expected, "once in each lap, by either of the two");
    }
    let turns = rotation(&app).await.unwrap().get_i64("turn").unwrap();
    assert!(turns >= 6, "seven in each turn at most: {turns}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_day_announces_is_no_more_than_a_twentieth_of_the_stream() {
    let app = app_with(&[("ANNOUNCE_PER_SECOND", "10"), ("STREAM_MAX_BYTES", "1048576")]).await;
    for n in 0..20 {
        insert(&app, &format!("n{n}")).await;
    }
    app.clock.advance(2 * HOUR);
    let is_put_off = async || {
        let due: Option<Timestamp> = rotation(&app).await.map(|it| it.get_str("due").unwrap().parse().unwrap());
        // Ten events of more than 300 bytes, at 1 MiB / 20 a day.
        due.is_some_and(|due| due.since(app.clock.now()) > Duration::from_secs(3_000))
    };
    eventually("the next turn to be put off", is_put_off).await;
    app.wait_until_idle().await;
}
