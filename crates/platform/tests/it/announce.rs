//! The announcer publishes snapshots: of an unchanged state at doubling intervals; of a final state once, then never
//! again.

use std::time::Duration;

use common::clock::Clock;
use common::events::user::UserChange;
use testkit::app::proxy::Proxy;
use testkit::app::{TestApp, eventually};

use crate::demo::{Counter, app_with, document, insert};

async fn announced(app: &TestApp, id: impl ToString) -> Vec<u64> {
    let history = app.history("demo", id).await;
    history.into_iter().filter(|(kind, _)| kind == "user.snapshot.v1").map(|(_, version)| version).collect()
}

/// The time until the next announcement of the document, and the number of past ones.
async fn next_announcement(app: &TestApp, id: impl ToString) -> Option<(Duration, i64)> {
    let document = document(app, id).await;
    let next = document.get_document("announce").ok()?;
    let at: common::timestamp::Timestamp = next.get_str("at").unwrap().parse().unwrap();
    Some((at.since(app.clock.now()), next.get_i64("count").or_else(|_| next.get_i32("count").map(i64::from)).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn interval_doubles_up_to_an_hour_and_a_change_resets_it() {
    let app = app_with(&[("ANNOUNCE_AFTER", "600ms")]).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    // The intervals are 600 ms, 1.2 s, 2.4 s and so on; the thirteenth doubling exceeds the maximum.
    for count in 1..=14_u32 {
        app.clock.advance(Duration::from_secs(2 * 3600));
        eventually("the next announcement", async || announced(&app, made.id).await.len() >= count as usize).await;
        let (pause, announced_before) = next_announcement(&app, made.id).await.unwrap();
        assert_eq!(announced_before, i64::from(count));
        let expected = Duration::from_millis(600).saturating_mul(1 << count).min(Duration::from_secs(3600));
        // The interval has 20 % jitter, and some time may have passed.
        assert!(pause <= expected.mul_f64(1.2), "{count}: {pause:?}");
        assert!(pause + Duration::from_secs(5) >= expected.mul_f64(0.8), "{count}: {pause:?}");
    }
    let saved = store.save(&made, made.incremented(), UserChange::Updated).await.unwrap();
    let (pause, announced_before) = next_announcement(&app, made.id).await.unwrap();
    assert!(announced_before == 0 && pause <= Duration::from_millis(600));
    eventually("the new state", async || announced(&app, made.id).await.last() == Some(&saved.version)).await;
    let snapshots = app.events("demo").await.into_iter().filter(|e| e.kind == "user.snapshot.v1").collect::<Vec<_>>();
    let ids: std::collections::BTreeSet<_> = snapshots.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), snapshots.len(), "each has its own id, so that the stream keeps them all");
}

#[tokio::test(flavor = "multi_thread")]
async fn final_state_is_announced_once() {
    let app = app_with(&[("ANNOUNCE_AFTER", "600ms")]).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    let done = store.save(&made, Counter { done: true, ..made.state.clone() }, UserChange::Updated).await.unwrap();
    app.clock.advance(Duration::from_secs(2));
    eventually("the announcement", async || announced(&app, made.id).await == [done.version]).await;
    assert_eq!(next_announcement(&app, made.id).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_announce_a_state_once() {
    let app = app_with(&[("ANNOUNCE_AFTER", "600ms")]).await;
    let other = app.start_second_instance(crate::demo::build).await;
    let store = app.context.store::<Counter>();
    let mut done = Vec::new();
    for n in 0..20 {
        let made = insert(&app, &format!("n{n}")).await;
        let next = Counter { done: true, ..made.state.clone() };
        done.push(store.save(&made, next, UserChange::Updated).await.unwrap());
    }
    app.clock.advance(Duration::from_secs(10));
    for made in &done {
        eventually("the last announcement", async || next_announcement(&other, made.id).await.is_none()).await;
    }
    for made in &done {
        // Version 0 may have been announced too, between the two writes.
        let last = async || announced(&app, made.id).await.iter().filter(|version| **version == 1).count();
        eventually("the announcement", async || last().await > 0).await;
    }
    app.wait_until_idle().await;
    for made in &done {
        let versions = announced(&app, made.id).await;
        assert_eq!(versions.iter().filter(|version| **version == 1).count(), 1, "{versions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn announcement_during_a_nats_outage_is_published_later() {
    let nats = Proxy::of_nats();
    let app = app_with(&[("ANNOUNCE_AFTER", "600ms"), ("NATS_URL", &nats.url())]).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    let done = store.save(&made, Counter { done: true, ..made.state.clone() }, UserChange::Updated).await.unwrap();
    app.wait_until_idle().await;
    nats.disconnect();
    app.clock.advance(Duration::from_secs(2));
    // The announcement is no longer scheduled: only the relay's retry can publish the snapshot.
    eventually("the last announcement", async || next_announcement(&app, made.id).await.is_none()).await;
    nats.restore();
    eventually("the announcement", async || announced(&app, made.id).await.contains(&done.version)).await;
}
