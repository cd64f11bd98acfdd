//! Fault injection under load: crashes, hangs, clock skew and outages.
//!
//! Each test runs two instances of every service and at least 300 sales, then checks the invariants.

use std::time::{Duration, Instant};

use e2e::invariants;
use e2e::load::{LoadGenerator, OutcomeCounts};
use e2e::test_fleet::TestFleet;
use fakestripe::faults::Faults;
use fakestripe::faults::Trigger::Probability;
use nix::sys::signal::Signal;
use testkit::fleet::SERVICES;

/// Minimum number of sales per test.
pub(crate) const SALES: usize = 300;
/// Holds that expire during the test, and short intervals for repairs.
const SETTINGS: [(&str, &str); 3] = [("ORDER_TTL", "20s"), ("RECONCILE_AFTER", "2s"), ("ANNOUNCE_AFTER", "10s")];

async fn start() -> (TestFleet, LoadGenerator) {
    let fleet = TestFleet::start_two_instances(&SETTINGS).await.unwrap();
    let load = LoadGenerator::start(&fleet, SALES).unwrap();
    (fleet, load)
}

/// Stops the load and checks the invariants, and that most sales completed.
pub(crate) async fn finish_and_check(fleet: &TestFleet, load: LoadGenerator) -> OutcomeCounts {
    let outcomes = load.stop().await.unwrap();
    invariants::assert_eventually(fleet).await.unwrap();
    let (all, completed) = (outcomes.values().sum::<usize>(), outcomes.get("completed").copied().unwrap_or(0));
    assert!(all >= SALES && completed * 2 > all, "{outcomes:?}");
    outcomes
}

/// Waits until `more` further sales have finished.
pub(crate) async fn wait_for_sales(load: &LoadGenerator, more: usize) {
    let (goal, began) = (load.finished() + more, Instant::now());
    while load.finished() < goal {
        assert!(began.elapsed() < Duration::from_secs(120), "sales are stuck at {}", load.finished());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_is_killed_ten_times() {
    let (fleet, load) = start().await;
    for round in 0..10 {
        for service in SERVICES {
            let instance = &fleet.processes.instances(service)[round % 2];
            instance.kill().unwrap();
            instance.restart().await.unwrap();
        }
    }
    finish_and_check(&fleet, load).await;
    // In-flight messages of a killed instance are redelivered after the ack wait, which is 6 s.
    invariants::assert_holds_expired_on_time(&fleet, invariants::EXPIRY_TOLERANCE + Duration::from_secs(6))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_of_every_service_hangs_for_twenty_seconds() {
    let (fleet, load) = start().await;
    wait_for_sales(&load, 30).await;
    let hung: Vec<_> = SERVICES.iter().map(|service| &fleet.processes.instances(service)[1]).collect();
    for instance in &hung {
        instance.signal(Signal::SIGSTOP);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    for instance in &hung {
        instance.signal(Signal::SIGCONT);
    }
    finish_and_check(&fleet, load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_stopped_and_killed() {
    let (fleet, load) = start().await;
    let nats = &fleet.processes.servers().nats;
    wait_for_sales(&load, 30).await;
    nats.stop().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    nats.restart().await.unwrap();
    wait_for_sales(&load, 30).await;
    for _ in 0..2 {
        nats.kill().unwrap();
        nats.restart().await.unwrap();
        wait_for_sales(&load, 30).await;
    }
    finish_and_check(&fleet, load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_is_killed() {
    let (fleet, load) = start().await;
    for _ in 0..3 {
        wait_for_sales(&load, 30).await;
        fleet.processes.servers().mongodb.kill().unwrap();
        fleet.processes.servers().mongodb.restart().await.unwrap();
    }
    finish_and_check(&fleet, load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_flushed_stopped_and_killed() {
    let (fleet, load) = start().await;
    wait_for_sales(&load, 30).await;
    let client = redis::Client::open(fleet.processes.servers().redis.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    wait_for_sales(&load, 30).await;
    fleet.processes.servers().redis.stop().await.unwrap();
    // The outage is long enough for holds to be created and to expire.
    tokio::time::sleep(Duration::from_secs(25)).await;
    fleet.processes.servers().redis.restart().await.unwrap();
    wait_for_sales(&load, 30).await;
    fleet.processes.servers().redis.kill().unwrap();
    fleet.processes.servers().redis.restart().await.unwrap();
    finish_and_check(&fleet, load).await;
    // The outage is invisible to clients.
    assert_eq!(fleet.responses.failures(), Vec::<String>::new());
    invariants::assert_holds_expired_on_time(&fleet, invariants::EXPIRY_TOLERANCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_network_is_slow_fails_and_duplicates_or_drops_webhooks() {
    let (fleet, load) = start().await;
    for faults in [
        Faults { latency_ms: 1_500, latency_after_ms: 500, ..Faults::default() },
        Faults { error500_after_processing: Probability(0.5), ..Faults::default() },
        Faults {
            error500_before_processing: Probability(0.3),
            error500_after_processing: Probability(0.3),
            error429: Probability(0.2),
            ..Faults::default()
        },
        // The latency exceeds the request timeout of `payments`, which looks the result up afterwards.
        Faults { latency_after_ms: 9_000, paths: vec!["/capture".to_owned()], ..Faults::default() },
        Faults { webhook_duplicates: 3, webhook_delay_ms: 1_000, webhook_jitter_ms: 3_000, ..Faults::default() },
        Faults { drop_webhooks: true, ..Faults::default() },
    ] {
        fleet.fakestripe.set_faults(&faults).await.unwrap();
        wait_for_sales(&load, 50).await;
    }
    fleet.fakestripe.set_faults(&Faults::default()).await.unwrap();
    finish_and_check(&fleet, load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restart_fails_no_request() {
    let (fleet, load) = start().await;
    wait_for_sales(&load, 30).await;
    for service in SERVICES {
        for instance in fleet.processes.instances(service) {
            assert_eq!(instance.stop().await.unwrap(), Some(0), "{}", instance.name());
            instance.restart().await.unwrap();
        }
    }
    finish_and_check(&fleet, load).await;
    assert_eq!(fleet.responses.failures(), Vec::<String>::new());
    invariants::assert_holds_expired_on_time(&fleet, invariants::EXPIRY_TOLERANCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_clock_is_skewed_by_two_minutes() {
    let (fleet, load) = start().await;
    for offset in ["2m", "-2m"] {
        for service in SERVICES {
            let instance = &fleet.processes.instances(service)[1];
            instance.restart_with_env(&[("CLOCK_OFFSET", offset)]).await.unwrap();
            wait_for_sales(&load, 30).await;
            instance.restart_with_env(&[("CLOCK_OFFSET", "0s")]).await.unwrap();
        }
    }
    let outcomes = load.stop().await.unwrap();
    invariants::assert_eventually(&fleet).await.unwrap();
    invariants::assert_holds_expired_on_time(&fleet, invariants::EXPIRY_TOLERANCE).await.unwrap();
    // An order created by a slow clock has expired when it is created; the others succeed.
    assert!(outcomes["completed"] * 3 > outcomes.values().sum::<usize>(), "{outcomes:?}");
}
