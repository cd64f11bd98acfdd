//! The durable consumer: acks, delays, rejects, survives what a handler does.

use std::time::{Duration, Instant};

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
    app.wait_until_idle().await;
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
    let app = first.start_second_instance(crate::demo::build).await;
    for id in ids {
        eventually("all to be handled", async || is_taken(&app, id).await).await;
    }
    app.wait_until_idle().await;
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
    app.wait_until_idle().await;
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

/// The value of a metric of this entity; none when it is not told.
async fn metric(app: &TestApp, name: &str) -> Option<String> {
    let metrics = app.admin("GET", "/metrics").send().await.expect(200).text();
    let line = format!("{name}{{entity=\"expiration\"}} ");
    metrics.lines().find_map(|found| Some(found.strip_prefix(&line)?.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_is_a_dead_letter_that_tells_where_it_comes_from_and_why() {
    let app = app().await;
    assert_eq!(metric(&app, "dead_letters_total").await, None);
    let id = script(&app, "reject", i32::MAX).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    app.publish_raw("expiration", "expiration", "expiration.completed.v1", b"\x00poison").await;
    let mut future = serde_json::to_value(app.event(ExpirationChange::Completed, id, 1, timer(&app, id))).unwrap();
    future["data"]["expiresAt"] = "tomorrow".into();
    let future = serde_json::to_vec(&future).unwrap();
    app.publish_raw("expiration", "expiration", "expiration.completed.v1", &future).await;
    publish(&app, fine).await;
    eventually("the good one, behind them", async || is_taken(&app, fine).await).await;
    app.wait_until_idle().await;
    assert_eq!(seen(&app, id).await, 1, "rejected is rejected");

    let told = async |name| app.dead_letter_headers(name).await;
    let (reasons, sequences, payloads) = (told("reason").await, told("sequence").await, app.dead_letters().await);
    assert_eq!(payloads.len(), 3);
    // Handled at once, they come in any order.
    for ((reason, sequence), payload) in reasons.iter().zip(&sequences).zip(&payloads) {
        match sequence.as_str() {
            "1" => assert_eq!(reason, "the script says so", "on one line"),
            "2" => assert!(reason.starts_with("not a known event: ") && payload == b"\x00poison", "{reason}"),
            "3" => assert!(reason.starts_with("not a known event: ") && *payload == future, "{reason}"),
            other => panic!("what is {other}?"),
        }
    }
    let prefix = &app.context.config.nats_prefix;
    assert_eq!(told("consumer").await, ["demo-expiration"; 3]);
    assert_eq!(told("attempts").await, ["1"; 3]);
    assert_eq!(told("stream").await, vec![format!("{prefix}-expiration"); 3]);
    assert_eq!(told("subject").await, vec![format!("{prefix}.expiration.completed.v1"); 3]);
    assert_eq!(metric(&app, "dead_letters_total").await.as_deref(), Some("3"));
    app.expect_dead_letters(3);
}

/// The counter is what this process has seen; the gauge is what somebody has yet to look at.
#[tokio::test(flavor = "multi_thread")]
async fn the_gauge_tells_what_lies_there_in_every_instance_until_it_is_removed() {
    let app = app().await;
    let gauge = async |app: &TestApp| metric(app, "dead_letters").await;
    eventually("a count of none", async || gauge(&app).await.as_deref() == Some("0")).await;
    for _ in 0..2 {
        app.publish_raw("expiration", "expiration", "expiration.completed.v1", b"poison").await;
    }
    eventually("a count of both", async || gauge(&app).await.as_deref() == Some("2")).await;
    let letters = async_nats::jetstream::new(app.context.nats.clone());
    let letters = letters.get_stream(format!("{}-dead-letters", app.context.config.nats_prefix)).await.unwrap();
    for number in 1..=2 {
        letters.delete_message(number).await.unwrap();
    }
    eventually("a count of none again", async || gauge(&app).await.as_deref() == Some("0")).await;
    assert_eq!(metric(&app, "dead_letters_total").await.as_deref(), Some("2"));
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
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_always_panics_is_a_dead_letter_in_the_end_and_holds_nothing_up() {
    let app = app().await;
    let id = script(&app, "panic", i32::MAX).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    eventually("the first delivery", async || seen(&app, id).await == 1).await;
    publish(&app, fine).await;
    eventually("the next one, which nothing blocks", async || is_taken(&app, fine).await).await;
    assert_eq!(app.dead_letters().await.len(), 0, "it is tried again first");
    app.wait_until_idle().await;
    assert_eq!(app.dead_letter_headers("reason").await, ["the handler panicked"]);
    assert_eq!(app.dead_letter_headers("attempts").await, ["6"]);
    assert_eq!(seen(&app, id).await, 6);
    assert!(!is_taken(&app, id).await);
    app.expect_dead_letters(1);
}

/// How many messages of one subscription an instance handles at once.
const PLACES: usize = 64;

/// Every place of the only instance is taken by a handler that hangs.
#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_hang_lose_their_places_and_get_another_chance() {
    let app = app().await;
    let mut ids = Vec::new();
    for _ in 0..PLACES {
        ids.push(script(&app, "hang", 1).await);
    }
    let fine = OrderId::new();
    for id in ids.iter().chain([&fine]) {
        publish(&app, *id).await;
    }
    for id in &ids {
        eventually("all places to be taken", async || seen(&app, *id).await == 1).await;
    }
    assert!(!is_taken(&app, fine).await);
    // They are given 25 s.
    tokio::time::timeout(Duration::from_secs(40), async {
        while !is_taken(&app, fine).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("the one behind them is handled");
    for id in &ids {
        eventually("the second delivery", async || is_taken(&app, *id).await).await;
        assert_eq!(seen(&app, *id).await, 2);
    }
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_the_work() {
    let app = app().await;
    let other = app.start_second_instance(crate::demo::build).await;
    let ids: Vec<_> = (0..100).map(|_| OrderId::new()).collect();
    for id in &ids {
        publish(&app, *id).await;
    }
    app.wait_until_idle().await;
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
    for _ in 0..PLACES {
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
    let other = app.start_second_instance(crate::demo::build).await;
    for id in &waiting {
        eventually("what was not begun", async || is_taken(&other, *id).await).await;
    }
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    // The first instance's handlers hang until they are cut off, which nobody waits for here.
    other.context.tasks.stop().cancel();
    std::mem::forget((app, other));
}
