//! Timers fire in time, once, and never early: by a wake-up from Redis, or by a search in MongoDB (the sweep) when
//! Redis fails.

use std::time::{Duration, Instant};

use common::clock::Clock;
use expiration::domain::timer::{Status, Timer};
use futures::{StreamExt, stream};
use mongodb::bson::{Document, doc};
use redis::AsyncCommands;
use testkit::app::{TestApp, eventually};

use crate::support::{NO_SWEEP, app, app_with, order, publish_created, published_events, status, wait_until_fired};

const HOLD: Duration = Duration::from_secs(900);

/// A unique Redis key prefix, and a connection.
async fn redis() -> (String, redis::aio::MultiplexedConnection) {
    let client = redis::Client::open(testkit::app::redis_url()).unwrap();
    let prefix = format!("t{}", common::id::OrderId::new().as_uuid().simple());
    (prefix, client.get_multiplexed_async_connection().await.unwrap())
}

/// A key of the queue.
fn key(prefix: &str, tail: &str) -> String {
    format!("{prefix}:expiration:wake-ups:{tail}")
}

/// Deletes all keys of this test.
async fn flush(redis: &mut redis::aio::MultiplexedConnection, prefix: &str) {
    let keys: Vec<String> = redis.keys(format!("{prefix}:*")).await.unwrap();
    redis.del::<_, ()>(keys).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wake_ups_fire_timers_in_time_and_finished_jobs_are_removed() {
    let (prefix, mut redis) = redis().await;
    let app = app_with(&[("TIMER_SWEEP_INTERVAL", NO_SWEEP), ("REDIS_PREFIX", &prefix)]).await;
    let orders: Vec<_> = (0..3).map(|n| order(&app, Duration::from_millis(1200 + 10 * n))).collect();
    for order in &orders {
        publish_created(&app, order).await;
    }
    for order in &orders {
        let at = wait_until_fired(&app, order).await;
        assert!(at >= order.expires_at, "fired at {at}, due at {}", order.expires_at);
    }
    let jobs: usize = redis.hlen(key(&prefix, "data")).await.unwrap();
    assert!(jobs <= 2, "one job per second, not per order: {jobs}");
    eventually("finished jobs to be removed", async || {
        let left: usize = redis.hlen(key(&prefix, "data")).await.unwrap();
        let done: usize = redis.scard(key(&prefix, "done")).await.unwrap();
        left == 0 && done == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_fires_timers_of_lost_wake_ups() {
    let (prefix, mut redis) = redis().await;
    let app = app_with(&[("TIMER_SWEEP_INTERVAL", "100ms"), ("REDIS_PREFIX", &prefix)]).await;
    let order = order(&app, HOLD);
    publish_created(&app, &order).await;
    eventually("the wake-up to be in Redis", async || {
        redis.zcard::<_, usize>(key(&prefix, "scheduled")).await.unwrap() == 1
    })
    .await;
    flush(&mut redis, &prefix).await;
    app.clock.advance(HOLD);
    wait_until_fired(&app, &order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_evicts_rate_limit_counters_before_the_queue() {
    let (prefix, mut redis) = redis().await;
    let app = app_with(&[("TIMER_SWEEP_INTERVAL", NO_SWEEP), ("REDIS_PREFIX", &prefix)]).await;
    publish_created(&app, &order(&app, HOLD)).await;
    eventually("the wake-up to be in Redis", async || {
        redis.zcard::<_, usize>(key(&prefix, "scheduled")).await.unwrap() == 1
    })
    .await;
    // `volatile-ttl` evicts the keys with the shortest TTL first, and never those without. A counter's is one minute.
    let keys: Vec<String> = redis.keys(format!("{prefix}:expiration:*")).await.unwrap();
    for key in &keys {
        let seconds: i64 = redis.ttl(key).await.unwrap();
        assert!(seconds == -1 || seconds > 60, "{key} expires in {seconds} s; all: {keys:?}");
    }
    let scheduled: i64 = redis.ttl(key(&prefix, "scheduled")).await.unwrap();
    assert_eq!(scheduled, -1, "the queue itself has no TTL");
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_fires_timers_without_redis() {
    let app = TestApp::start(expiration::NAME, expiration::build, &[("TIMER_SWEEP_INTERVAL", "100ms")]).await;
    let order = order(&app, Duration::from_secs(1));
    publish_created(&app, &order).await;
    wait_until_fired(&app, &order).await;
    assert_eq!(app.metric("wake_up_requests_dropped_total").await, None, "no wake-ups are requested without Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_is_replaced_after_redis_loses_its_data() {
    let (prefix, mut redis) = redis().await;
    let app = app_with(&[("TIMER_SWEEP_INTERVAL", NO_SWEEP), ("REDIS_PREFIX", &prefix)]).await;
    let workers = key(&prefix, "workers");
    let names = async |redis: &mut redis::aio::MultiplexedConnection| -> Vec<String> {
        redis.zrange(&workers, 0, -1).await.unwrap()
    };
    eventually("the worker", async || names(&mut redis.clone()).await.len() == 1).await;
    flush(&mut redis, &prefix).await;
    eventually("another worker", async || names(&mut redis.clone()).await.len() == 1).await;
    let order = order(&app, Duration::from_secs(1));
    publish_created(&app, &order).await;
    wait_until_fired(&app, &order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_outage_delays_nothing() {
    // Nothing listens on port 1.
    let app = app_with(&[("TIMER_SWEEP_INTERVAL", "100ms"), ("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let orders: Vec<_> = (0..40).map(|_| order(&app, HOLD)).collect();
    let began = Instant::now();
    for order in &orders {
        publish_created(&app, order).await;
    }
    app.wait_until_idle().await;
    assert!(began.elapsed() < Duration::from_secs(10), "event handlers must not wait for Redis: {:?}", began.elapsed());
    app.clock.advance(HOLD);
    for order in &orders {
        wait_until_fired(&app, order).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_never_fire_early() {
    let app = app("100ms").await;
    let (order, sentinel) = (order(&app, HOLD), order(&app, HOLD.saturating_sub(Duration::from_secs(60))));
    publish_created(&app, &order).await;
    publish_created(&app, &sentinel).await;
    app.wait_until_idle().await;
    app.clock.advance(HOLD.saturating_sub(Duration::from_secs(30)));
    wait_until_fired(&app, &sentinel).await;
    assert_eq!(status(&app, &order).await, Some(Status::Pending));
    assert_eq!(published_events(&app, &order).await, []);
    app.clock.advance(Duration::from_secs(30));
    assert!(wait_until_fired(&app, &order).await >= order.expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_fire_each_timer_once() {
    let app = app("50ms").await;
    let other = app.start_second_instance(expiration::build).await;
    let orders: Vec<_> = (0..100).map(|_| order(&app, HOLD)).collect();
    for order in &orders {
        publish_created(&app, order).await;
    }
    app.wait_until_idle().await;
    app.clock.advance(HOLD);
    eventually("every timer to fire", async || fired(&app).await == 100).await;
    app.wait_until_idle().await;
    let mut published: Vec<_> =
        app.events("expiration").await.iter().map(|e| (e.subject.clone(), e.entityversion)).collect();
    let mut expected: Vec<_> = orders.iter().map(|order| (order.id.to_string(), 1)).collect();
    published.sort();
    expected.sort();
    assert_eq!(published, expected);
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_simultaneous_timers_fire_together() {
    let app = app("200ms").await;
    let timers = app.context.store::<Timer>();
    stream::iter(0..2000)
        .for_each_concurrent(64, async |_| {
            // Store the timer as the event handler does.
            let order = order(&app, HOLD);
            timers.insert_without_event(Timer::new(order.id, order.expires_at, order.created_at)).await.unwrap();
        })
        .await;
    app.clock.advance(HOLD);
    // Fails unless all of them fire before `eventually` times out.
    eventually("every timer to fire", async || fired(&app).await == 2000).await;
    app.wait_until_idle().await;
    assert_eq!(app.events("expiration").await.len(), 2000);
}

/// Number of fired timers.
async fn fired(app: &TestApp) -> u64 {
    let timers = app.context.database.collection::<Document>("timers");
    let fired = Status::Fired { at: app.clock.now() };
    timers.count_documents(doc! { "state.status.name": fired.as_ref() }).await.unwrap()
}
