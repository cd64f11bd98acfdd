//! Bad days: parts of the fleet die, hang, lie about the time or go away while people buy and sell.
//!
//! Two instances of every service, at least 300 sales each, and afterwards everything that must hold.

use std::time::{Duration, Instant};

use e2e::invariants;
use e2e::shop::Shop;
use e2e::traffic::{Tally, Traffic};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testkit::fleet::SERVICES;

/// How many sales pass through each fault at least.
pub(crate) const SALES: usize = 300;
/// Holds that end while the test runs, and repairs that do not wait for a production day.
const SETTINGS: [(&str, &str); 3] = [("ORDER_TTL", "20s"), ("RECONCILE_AFTER", "2s"), ("ANNOUNCE_AFTER", "10s")];

async fn shop() -> (Shop, Traffic) {
    let shop = Shop::open_twice(&SETTINGS).await.unwrap();
    let traffic = Traffic::start(&shop, SALES).unwrap();
    (shop, traffic)
}

/// Everybody leaves, everything holds; and the shop did its job: most of those who wanted a ticket have one.
pub(crate) async fn all_is_well(shop: &Shop, traffic: Traffic) -> Tally {
    let tally = traffic.stop().await.unwrap();
    invariants::hold(shop).await.unwrap();
    let (all, completed) = (tally.values().sum::<usize>(), tally.get("completed").copied().unwrap_or(0));
    assert!(all >= SALES && completed * 2 > all, "{tally:?}");
    tally
}

/// Waits until so many more sales have ended.
pub(crate) async fn sales(traffic: &Traffic, more: usize) {
    let (goal, began) = (traffic.done() + more, Instant::now());
    while traffic.done() < goal {
        assert!(began.elapsed() < Duration::from_secs(120), "sales stand still at {}", traffic.done());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_is_killed_ten_times() {
    let (shop, traffic) = shop().await;
    for round in 0..10 {
        for service in SERVICES {
            let instance = &shop.fleet.instances(service)[round % 2];
            instance.kill().unwrap();
            instance.restart().await.unwrap();
        }
    }
    all_is_well(&shop, traffic).await;
    // What an instance had in hand when it was killed comes again after the ack wait.
    invariants::holds_ended_in_time(&shop, invariants::PUNCTUAL + Duration::from_secs(6)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_of_every_service_hangs_for_twenty_seconds() {
    let (shop, traffic) = shop().await;
    sales(&traffic, 30).await;
    let hung: Vec<_> = SERVICES.iter().map(|service| &shop.fleet.instances(service)[1]).collect();
    for instance in &hung {
        instance.signal(Signal::SIGSTOP);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    for instance in &hung {
        instance.signal(Signal::SIGCONT);
    }
    all_is_well(&shop, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_away_and_is_killed() {
    let (shop, traffic) = shop().await;
    let nats = &shop.fleet.servers().nats;
    sales(&traffic, 30).await;
    nats.stop().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    nats.restart().await.unwrap();
    sales(&traffic, 30).await;
    for _ in 0..2 {
        nats.kill().unwrap();
        nats.restart().await.unwrap();
        sales(&traffic, 30).await;
    }
    all_is_well(&shop, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_is_killed() {
    let (shop, traffic) = shop().await;
    for _ in 0..3 {
        sales(&traffic, 30).await;
        shop.fleet.servers().mongodb.kill().unwrap();
        shop.fleet.servers().mongodb.restart().await.unwrap();
    }
    all_is_well(&shop, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_flushed_and_away() {
    let (shop, traffic) = shop().await;
    sales(&traffic, 30).await;
    let client = redis::Client::open(shop.fleet.servers().redis.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    sales(&traffic, 30).await;
    shop.fleet.servers().redis.stop().await.unwrap();
    // Long enough for holds to begin and to end meanwhile.
    tokio::time::sleep(Duration::from_secs(25)).await;
    shop.fleet.servers().redis.restart().await.unwrap();
    sales(&traffic, 30).await;
    shop.fleet.servers().redis.kill().unwrap();
    shop.fleet.servers().redis.restart().await.unwrap();
    all_is_well(&shop, traffic).await;
    // Nobody has noticed.
    assert_eq!(shop.journal.failures(), Vec::<String>::new());
    invariants::holds_ended_in_time(&shop, invariants::PUNCTUAL).await.unwrap();
}

/// Tells the card network how to misbehave from now on.
pub(crate) async fn fault(shop: &Shop, faults: Value) {
    let url = format!("{}/_fake/faults", shop.fleet.fakestripe().url());
    let set = reqwest::Client::new().put(url).json(&faults).send().await.unwrap();
    assert_eq!(set.status().as_u16(), 200, "{faults}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_network_is_slow_fails_after_the_work_and_repeats_itself_or_says_nothing() {
    let (shop, traffic) = shop().await;
    for faults in [
        json!({ "latencyMs": 1_500, "latencyAfterMs": 500 }),
        json!({ "error500AfterWork": 0.5 }),
        json!({ "error500BeforeWork": 0.3, "error500AfterWork": 0.3, "error429": 0.2 }),
        // Longer than we wait for an answer: what was done is found out afterwards.
        json!({ "latencyAfterMs": 9_000, "paths": ["/capture"] }),
        json!({ "webhookRepeat": 3, "webhookDelayMs": 1_000, "webhookJitterMs": 3_000 }),
        json!({ "dropWebhooks": true }),
    ] {
        fault(&shop, faults).await;
        sales(&traffic, 50).await;
    }
    fault(&shop, json!({})).await;
    all_is_well(&shop, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_restarted_and_no_request_fails() {
    let (shop, traffic) = shop().await;
    sales(&traffic, 30).await;
    for service in SERVICES {
        for instance in shop.fleet.instances(service) {
            assert_eq!(instance.stop().await.unwrap(), Some(0), "{}", instance.name());
            instance.restart().await.unwrap();
        }
    }
    all_is_well(&shop, traffic).await;
    assert_eq!(shop.journal.failures(), Vec::<String>::new());
    invariants::holds_ended_in_time(&shop, invariants::PUNCTUAL).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_clock_is_wrong_by_two_minutes() {
    let (shop, traffic) = shop().await;
    for offset in ["2m", "-2m"] {
        for service in SERVICES {
            let instance = &shop.fleet.instances(service)[1];
            instance.restart_with_env(&[("CLOCK_OFFSET", offset)]).await.unwrap();
            sales(&traffic, 30).await;
            instance.restart_with_env(&[("CLOCK_OFFSET", "0s")]).await.unwrap();
        }
    }
    let tally = traffic.stop().await.unwrap();
    invariants::hold(&shop).await.unwrap();
    invariants::holds_ended_in_time(&shop, invariants::PUNCTUAL).await.unwrap();
    // An order made by a clock that is behind is over before it begins; the others are served.
    assert!(tally["completed"] * 3 > tally.values().sum::<usize>(), "{tally:?}");
}
