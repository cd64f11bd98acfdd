//! The durable consumer: acks, retries, dead letters, and handlers that panic or hang.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{FromConsumer, PullConsumer, pull};
use async_nats::jetstream::stream::Stream;
use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use futures::StreamExt;
use mongodb::bson::{Document, doc};
use platform::stream::names::Names;
use platform::stream::provision;
use testkit::app::{TestApp, dead_letters, eventually};

use crate::demo::app;

pub(crate) fn timer(app: &TestApp, id: OrderId) -> ExpirationState {
    ExpirationState { order_id: id, expires_at: common::clock::Clock::now(&app.clock) }
}

pub(crate) async fn publish(app: &TestApp, id: OrderId) {
    app.publish(ExpirationChange::Completed, id, 1, timer(app, id)).await;
}

/// Makes the handler fail in this way `times` times for a new timer, and returns its id.
pub(crate) async fn script_failures(app: &TestApp, mode: &str, times: i32) -> OrderId {
    let id = OrderId::new();
    let script = app.context.database.collection::<Document>("script");
    script.insert_one(doc! { "_id": id.to_string(), "mode": mode, "times": times, "seen": 0 }).await.unwrap();
    id
}

/// Scripts a handler that never fails, so that its calls are counted.
async fn script_success(app: &TestApp) -> OrderId {
    script_failures(app, "none", 0).await
}

/// The number of calls of the handler for a scripted timer.
pub(crate) async fn seen(app: &TestApp, id: OrderId) -> i32 {
    let script = app.context.database.collection::<Document>("script");
    script.find_one(doc! { "_id": id.to_string() }).await.unwrap().unwrap().get_i32("seen").unwrap()
}

pub(crate) async fn is_handled(app: &TestApp, id: OrderId) -> bool {
    app.context.replica::<ExpirationState>().get(id).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_handled_once_and_acked() {
    let app = app().await;
    let id = script_success(&app).await;
    publish(&app, id).await;
    eventually("the event to be handled", async || is_handled(&app, id).await).await;
    app.wait_until_idle().await;
    assert_eq!(seen(&app, id).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_published_before_startup_are_handled() {
    let first = app().await;
    let ids: Vec<_> = (0..200).map(|_| OrderId::new()).collect();
    first.stop().await;
    for id in &ids {
        publish(&first, *id).await;
    }
    let app = first.start_second_instance(crate::demo::build).await;
    for id in ids {
        eventually("all to be handled", async || is_handled(&app, id).await).await;
    }
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_failures_are_retried_with_backoff() {
    let app = app().await;
    let id = script_failures(&app, "retry", 4).await;
    let fine = OrderId::new();
    let start = Instant::now();
    publish(&app, id).await;
    eventually("the first delivery", async || seen(&app, id).await == 1).await;
    publish(&app, fine).await;
    eventually("the next event, which is not blocked", async || is_handled(&app, fine).await).await;
    eventually("the last delivery", async || is_handled(&app, id).await).await;
    assert_eq!(seen(&app, id).await, 5);
    // The delays are 100, 200, 400 and 800 ms, each at most 20 % shorter.
    assert!(start.elapsed().as_millis() >= 1_200, "{:?}", start.elapsed());
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_can_choose_the_retry_delay() {
    let app = app().await;
    let id = script_failures(&app, "later", 1).await;
    publish(&app, id).await;
    eventually("the first delivery", async || seen(&app, id).await == 1).await;
    let start = Instant::now();
    eventually("the second delivery", async || is_handled(&app, id).await).await;
    assert!(start.elapsed().as_millis() >= 500, "{:?}", start.elapsed());
    assert_eq!(seen(&app, id).await, 2);
}

/// The value of a metric of this entity, if it is exported.
async fn metric(app: &TestApp, name: &str) -> Option<String> {
    let metrics = app.monitor("/metrics").send().await.expect(200).text();
    let line = format!("{name}{{entity=\"expiration\"}} ");
    metrics.lines().find_map(|found| Some(found.strip_prefix(&line)?.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_message_becomes_a_dead_letter_with_origin_and_reason() {
    let app = app().await;
    assert_eq!(metric(&app, "dead_letters_total").await, None);
    let id = script_failures(&app, "reject", i32::MAX).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    app.publish_raw("expiration", "expiration", "expiration.completed.v1", b"\x00poison").await;
    let mut unknown = serde_json::to_value(app.event(ExpirationChange::Completed, id, 1, timer(&app, id))).unwrap();
    unknown["data"]["expiresAt"] = "tomorrow".into();
    let unknown = serde_json::to_vec(&unknown).unwrap();
    app.publish_raw("expiration", "expiration", "expiration.completed.v1", &unknown).await;
    publish(&app, fine).await;
    eventually("the valid event, which comes last", async || is_handled(&app, fine).await).await;
    app.wait_until_idle().await;
    assert_eq!(seen(&app, id).await, 1, "it is not retried");

    let headers = async |name| app.dead_letter_headers(name).await;
    let (reasons, sequences, payloads) = (headers("reason").await, headers("sequence").await, app.dead_letters().await);
    assert_eq!(payloads.len(), 3);
    // The messages are handled concurrently, so their dead letters are in any order.
    for ((reason, sequence), payload) in reasons.iter().zip(&sequences).zip(&payloads) {
        match sequence.as_str() {
            "1" => assert_eq!(reason, "the script says so", "on one line"),
            "2" => assert!(reason.starts_with("not a known event: ") && payload == b"\x00poison", "{reason}"),
            "3" => assert!(reason.starts_with("not a known event: ") && *payload == unknown, "{reason}"),
            other => panic!("unexpected sequence {other}"),
        }
    }
    let prefix = &app.context.config.nats_prefix;
    assert_eq!(headers("consumer").await, ["demo-expiration"; 3]);
    assert_eq!(headers("attempts").await, ["1"; 3]);
    assert_eq!(headers("stream").await, vec![format!("{prefix}-expiration"); 3]);
    assert_eq!(headers("subject").await, vec![format!("{prefix}.expiration.completed.v1"); 3]);
    assert_eq!(metric(&app, "dead_letters_total").await.as_deref(), Some("3"));
    app.expect_dead_letters(3);
}

/// The counter counts the messages that this process has rejected, the gauge those that are stored.
#[tokio::test(flavor = "multi_thread")]
async fn gauge_counts_dead_letters_until_they_are_removed() {
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
async fn panicking_handler_does_not_affect_other_messages() {
    let app = app().await;
    let id = script_failures(&app, "panic", 2).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    publish(&app, fine).await;
    eventually("the valid event", async || is_handled(&app, fine).await).await;
    eventually("the retried event", async || is_handled(&app, id).await).await;
    assert_eq!(seen(&app, id).await, 3);
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_always_panics_is_dead_lettered() {
    let app = app().await;
    let id = script_failures(&app, "panic", i32::MAX).await;
    let fine = OrderId::new();
    publish(&app, id).await;
    eventually("the first delivery", async || seen(&app, id).await == 1).await;
    publish(&app, fine).await;
    eventually("the next event, which is not blocked", async || is_handled(&app, fine).await).await;
    assert_eq!(app.dead_letters().await.len(), 0, "it is retried first");
    app.wait_until_idle().await;
    assert_eq!(app.dead_letter_headers("reason").await, ["the handler panicked"]);
    assert_eq!(app.dead_letter_headers("attempts").await, ["6"]);
    assert_eq!(seen(&app, id).await, 6);
    assert!(!is_handled(&app, id).await);
    app.expect_dead_letters(1);
}

/// The consumer's maximum number of concurrent messages.
const CONCURRENCY: usize = 64;

/// All slots of the only instance are taken by handlers that hang.
#[tokio::test(flavor = "multi_thread")]
async fn hung_handlers_time_out_and_are_redelivered() {
    let app = app().await;
    let mut ids = Vec::new();
    for _ in 0..CONCURRENCY {
        ids.push(script_failures(&app, "hang", 1).await);
    }
    let fine = OrderId::new();
    for id in ids.iter().chain([&fine]) {
        publish(&app, *id).await;
    }
    for id in &ids {
        eventually("all slots to be taken", async || seen(&app, *id).await == 1).await;
    }
    assert!(!is_handled(&app, fine).await);
    // The handlers time out after 25 s.
    tokio::time::timeout(Duration::from_secs(40), async {
        while !is_handled(&app, fine).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("the last event is handled");
    for id in &ids {
        eventually("the second delivery", async || is_handled(&app, *id).await).await;
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
        assert!(is_handled(&other, id).await);
    }
}

/// At shutdown, an instance has more messages than it can handle at once. Another instance gets those that it has not
/// started, at once and not after the ack wait.
#[tokio::test(flavor = "multi_thread")]
async fn shutdown_leaves_unstarted_messages_to_other_instances() {
    let app = app().await;
    // These take all slots of the first instance; the rest of its batch waits.
    let mut ids = Vec::new();
    for _ in 0..CONCURRENCY {
        ids.push(script_failures(&app, "hang", 1).await);
    }
    let waiting: Vec<_> = (0..40).map(|_| OrderId::new()).collect();
    for id in ids.iter().chain(&waiting) {
        publish(&app, *id).await;
    }
    for id in &ids {
        eventually("all slots to be taken", async || seen(&app, *id).await == 1).await;
    }
    let start = Instant::now();
    app.context.tasks.stop_token().cancel();
    let other = app.start_second_instance(crate::demo::build).await;
    for id in &waiting {
        eventually("the unstarted messages", async || is_handled(&other, *id).await).await;
    }
    assert!(start.elapsed().as_secs() < 15, "{:?}", start.elapsed());
    // The handlers of the first instance hang until they time out; the test does not wait for that.
    other.context.tasks.stop_token().cancel();
    std::mem::forget((app, other));
}

/// The stream of the timers, which the demo consumes.
pub(crate) async fn timers(app: &TestApp) -> Stream {
    let jetstream = jetstream::new(app.context.nats.clone());
    jetstream.get_stream(format!("{}-expiration", app.context.config.nats_prefix)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_consumer_follows_a_changed_ack_wait_and_keeps_its_messages() {
    let app = app().await;
    let [handled, in_flight, waiting] = std::array::from_fn(|_| OrderId::new());
    publish(&app, handled).await;
    eventually("the first event", async || is_handled(&app, handled).await).await;
    app.wait_until_idle().await;
    app.stop().await;
    // An instance of an earlier release with another configuration created the consumer, and died with one message in
    // flight.
    let stream = timers(&app).await;
    let consumer: PullConsumer = stream.get_consumer("demo-expiration").await.unwrap();
    let config = pull::Config::try_from_consumer_config(consumer.cached_info().config.clone()).unwrap();
    let older = pull::Config { ack_wait: Duration::from_secs(3600), max_ack_pending: 7, ..config.clone() };
    let mut consumer = stream.update_consumer(older).await.unwrap();
    publish(&app, in_flight).await;
    let mut taken = consumer.batch().max_messages(1).expires(Duration::from_secs(1)).messages().await.unwrap();
    // Either this request or the last one of the stopped instance receives the message, and neither acks it.
    drop(taken.next().await);
    eventually("a message in flight", async || consumer.info().await.unwrap().num_ack_pending == 1).await;
    publish(&app, waiting).await;

    let other = app.start_second_instance(crate::demo::build).await;
    let is_updated = async || {
        let found: PullConsumer = stream.get_consumer("demo-expiration").await.unwrap();
        let found = &found.cached_info().config;
        (found.ack_wait, found.max_ack_pending) == (config.ack_wait, config.max_ack_pending)
    };
    eventually("the consumer to have the present configuration", is_updated).await;
    eventually("the message that waited", async || is_handled(&other, waiting).await).await;
    eventually("the message in flight, after the new ack wait", async || is_handled(&other, in_flight).await).await;
    other.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_event_is_retried_until_the_stream_of_dead_letters_exists() {
    let app = app().await;
    let names = Names::new(&app.context.config.nats_prefix);
    let jetstream = jetstream::new(app.context.nats.clone());
    jetstream.delete_stream(names.dead_letter_stream()).await.unwrap();
    let id = script_failures(&app, "reject", i32::MAX).await;
    publish(&app, id).await;
    eventually("the second delivery", async || seen(&app, id).await > 1).await;
    assert!(jetstream.get_stream(names.dead_letter_stream()).await.is_err(), "only its owner creates it");
    let letters = provision::dead_letter_stream(&names, dead_letters::MAX_BYTES, 1);
    jetstream.create_stream(letters).await.unwrap();
    eventually("the dead letter", async || app.dead_letters().await.len() == 1).await;
    app.wait_until_idle().await;
    app.expect_dead_letters(1);
}
