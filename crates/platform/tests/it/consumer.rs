//! The durable consumer: acks, delays, rejects, survives what a handler does.

use std::time::Instant;

use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use mongodb::bson::{Document, doc};
use testkit::app::{TestApp, eventually};

use crate::demo::app;

fn timer(app: &TestApp, id: OrderId) -> ExpirationState {
    ExpirationState { order_id: id, expires_at: common::clock::Clock::now(&app.clock) }
}

async fn publish(app: &TestApp, id: OrderId) {
    app.publish(ExpirationChange::Completed, id, 1, timer(app, id)).await;
}

/// The handler fails `times` times in this way.
async fn script(app: &TestApp, mode: &str, times: i32) -> OrderId {
    let id = OrderId::new();
    let script = app.context.database.collection::<Document>("script");
    script.insert_one(doc! { "_id": id.to_string(), "mode": mode, "times": times, "seen": 0 }).await.unwrap();
    id
}

async fn seen(app: &TestApp, id: OrderId) -> i32 {
    let script = app.context.database.collection::<Document>("script");
    script.find_one(doc! { "_id": id.to_string() }).await.unwrap().unwrap().get_i32("seen").unwrap()
}

async fn is_taken(app: &TestApp, id: OrderId) -> bool {
    app.context.replica::<ExpirationState>().get(id).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_handled_once_and_acknowledged() {
    let app = app().await;
    let id = script(&app, "fine", 0).await;
    publish(&app, id).await;
    eventually("it to be handled", async || is_taken(&app, id).await).await;
    app.settle().await;
    assert_eq!(seen(&app, id).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_published_before_the_service_is_handled() {
    let first = app().await;
    let ids: Vec<_> = (0..200).map(|_| OrderId::new()).collect();
    first.stop().await;
    for id in &ids {
        publish(&first, *id).await;
    }
    let app = first.another(crate::demo::build).await;
    for id in ids {
        eventually("all to be handled", async || is_taken(&app, id).await).await;
    }
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_now_comes_again_later_and_later() {
    let app = app().await;
    let id = script(&app, "retry", 4).await;
    let fine = OrderId::new();
    let began = Instant::now();
    publish(&app, id).await;
    eventually("the first delivery", async || seen(&app, id).await == 1).await;
    publish(&app, fine).await;
    eventually("the next one, which nothing blocks", async || is_taken(&app, fine).await).await;
    eventually("the last delivery", async || is_taken(&app, id).await).await;
    assert_eq!(seen(&app, id).await, 5);
    // 100, 200, 400 and 800 ms, each a fifth shorter at most.
    assert!(began.elapsed().as_millis() >= 1_200, "{:?}", began.elapsed());
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_say_when_to_come_again() {
    let app = app().await;
    let id = script(&app, "later", 1).await;
    publish(&app, id).await;
    eventually("the first delivery", async || seen(&app, id).await == 1).await;
    let began = Instant::now();
    eventually("the second", async || is_taken(&app, id).await).await;
    assert!(began.elapsed().as_millis() >= 500, "{:?}", began.elapsed());
    assert_eq!(seen(&app, id).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_is_a_dead_letter_with_its_reason() {
    let app = app().await;
    let id = script(&app, "reject", i32::MAX).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    publish(&app, fine).await;
    app.publish_raw("expiration", "expiration", "expiration.completed.v1", b"\x00poison").await;
    eventually("the good one", async || is_taken(&app, fine).await).await;
    app.settle().await;
    assert_eq!(seen(&app, id).await, 1, "rejected is rejected");
    let mut reasons = app.dead_letter_headers("reason").await;
    reasons.sort();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].starts_with("not a known event: "), "{reasons:?}");
    assert_eq!(reasons[1], "the script says so", "on one line");
    assert_eq!(app.dead_letter_headers("consumer").await, ["demo-expiration"; 2]);
    assert_eq!(app.dead_letter_headers("attempts").await, ["1"; 2]);
    assert!(app.dead_letters().await.contains(&b"\x00poison".to_vec()));
    app.expect_dead_letters(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_takes_nobody_with_it() {
    let app = app().await;
    let id = script(&app, "panic", 2).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    publish(&app, fine).await;
    eventually("the good one", async || is_taken(&app, fine).await).await;
    eventually("the other, tried again", async || is_taken(&app, id).await).await;
    assert_eq!(seen(&app, id).await, 3);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_the_work() {
    let app = app().await;
    let other = app.another(crate::demo::build).await;
    let ids: Vec<_> = (0..100).map(|_| OrderId::new()).collect();
    for id in &ids {
        publish(&app, *id).await;
    }
    app.settle().await;
    for id in ids {
        assert!(is_taken(&other, id).await);
    }
}

/// More messages than are handled at once were fetched when the instance is asked to end: those that
/// it did not begin are handled by the other one at once, not when their time to ack has run out.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_ends_hands_over_what_it_has_not_begun() {
    let app = app().await;
    // Fills every place of the first instance for a moment, and the rest of its batch waits behind.
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(script(&app, "hang", 1).await);
    }
    let waiting: Vec<_> = (0..40).map(|_| OrderId::new()).collect();
    for id in ids.iter().chain(&waiting) {
        publish(&app, *id).await;
    }
    for id in &ids {
        eventually("all places to be taken", async || seen(&app, *id).await == 1).await;
    }
    let began = Instant::now();
    app.context.tasks.stop().cancel();
    let other = app.another(crate::demo::build).await;
    for id in &waiting {
        eventually("what was not begun", async || is_taken(&other, *id).await).await;
    }
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    // The first instance's hanging handlers never end: their messages come again after 30 s, which
    // nobody waits for here.
    other.context.tasks.stop().cancel();
    std::mem::forget((app, other));
}
