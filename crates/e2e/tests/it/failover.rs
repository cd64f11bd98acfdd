//! Failover with three members of MongoDB and of NATS, as in production: members crash, hang, are isolated or lose
//! their data under load.
//!
//! Each test runs two instances of every service and at least 300 sales, then checks the invariants.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::invariants;
use e2e::load::LoadGenerator;
use e2e::members;
use e2e::test_fleet::{TestFleet, listing};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Collection};
use nix::sys::signal::Signal;
use testkit::servers::Server;
use testkit::tools::progress;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::faults::{SALES, finish_and_check, wait_for_sales};

/// Settings with holds that outlast an election, and short intervals for repairs.
const SETTINGS: [(&str, &str); 3] = [("ORDER_TTL", "30s"), ("RECONCILE_AFTER", "2s"), ("ANNOUNCE_AFTER", "10s")];

/// How many orders without an idempotency key are sent to an isolated primary.
const UNCONFIRMED_ORDERS: usize = 5;

async fn start() -> (TestFleet, LoadGenerator) {
    let fleet = TestFleet::start_replicated(&SETTINGS).await.unwrap();
    let load = LoadGenerator::start(&fleet, SALES).unwrap();
    wait_for_sales(&load, 30).await;
    (fleet, load)
}

/// Waits until a member other than `old` is primary; returns its port.
async fn wait_for_new_primary(fleet: &TestFleet, old: u16) -> u16 {
    let began = Instant::now();
    loop {
        let primary = fleet.processes.servers().mongodb_primary().await.unwrap().port();
        if primary != old {
            return primary;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no new primary was elected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_crashes_and_hangs_and_a_member_loses_its_data() {
    let (fleet, load) = start().await;
    let servers = fleet.processes.servers();

    compare_read_concerns(&servers.mongodb_url()).await;
    let probe = ConsistencyProbe::start(&servers.mongodb_url()).await;
    let killed = servers.mongodb_primary().await.unwrap();
    let began = Instant::now();
    killed.kill().unwrap();
    wait_for_new_primary(&fleet, killed.port()).await;
    wait_for_sales(&load, 30).await;
    ignore_stale_reads(&fleet, began, began, probe.stop().await);
    killed.restart().await.unwrap();
    wait_for_sales(&load, 30).await;

    let probe = ConsistencyProbe::start(&servers.mongodb_url()).await;
    let stopped = servers.mongodb_primary().await.unwrap();
    let began = Instant::now();
    stopped.signal(Signal::SIGSTOP);
    tokio::time::sleep(Duration::from_secs(20)).await;
    // A newly elected member accepts writes only after its heartbeat to the hanging one has timed out too: 10 s after
    // the election, which is 10 to 15 s after the last heartbeat.
    let others: Vec<_> = servers.mongodb_members().into_iter().filter(|it| it.port() != stopped.port()).collect();
    while !is_primary_among(&others).await {
        assert!(began.elapsed() < Duration::from_secs(60), "no other member was elected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    progress(
        "Measured",
        &format!("another member accepted writes at most {:?} after the primary hung", began.elapsed()),
    );
    stopped.signal(Signal::SIGCONT);
    let resumed = Instant::now();
    wait_for_sales(&load, 30).await;
    ignore_stale_reads(&fleet, began, resumed, probe.stop().await);

    let primary = servers.mongodb_primary().await.unwrap().port();
    let lost = servers.mongodb_members().into_iter().find(|member| member.port() != primary).unwrap();
    lost.restart_with_empty_data().await.unwrap();
    wait_for_sales(&load, 30).await;
    finish_and_check(&fleet, load).await;
    let copied = eventually_count_orders(lost, &servers.mongodb_url()).await;
    assert!(copied > 0, "the member copied the data that it had lost");
}

/// Prints what the probe measured. Exempts responses from the invariant that no client sees an older state: those from
/// `began` until reads were fresh again, and at least until `ended`.
fn ignore_stale_reads(fleet: &TestFleet, began: Instant, ended: Instant, measured: ProbeResult) {
    let ProbeResult { outage, stale, fresh_since } = measured;
    progress("Measured", &format!("no write was acknowledged for {outage:?}; then reads were stale for {stale:?}"));
    let window = Range { start: began, end: fresh_since.max(ended) + Duration::from_secs(1) };
    let ignored = fleet.responses.ignore_stale_reads(&window);
    progress("Measured", &format!("{ignored} responses were older than what their client had read before"));
}

/// Waits until the member itself stores as many orders as the replica set, and returns the number.
async fn eventually_count_orders(member: &Server, url: &str) -> u64 {
    let began = Instant::now();
    loop {
        let all = orders_at(url).await.estimated_document_count().await.unwrap();
        let own = orders_at(&member.url()).await.estimated_document_count().await.unwrap_or(0);
        if own == all {
            return own;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the member has {own} of {all} orders");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The collection of orders. With the URL of one member, commands are sent to that member.
async fn orders_at(url: &str) -> Collection<Document> {
    Client::with_uri_str(url).await.unwrap().database("orders").collection("orders")
}

async fn order_ids(orders: &Collection<Document>, concern: ReadConcern) -> BTreeSet<String> {
    let found = orders.find(doc! {}).projection(doc! { "_id": 1 }).read_concern(concern).await.unwrap();
    let found: Vec<Document> = found.try_collect().await.unwrap();
    found.iter().map(|order| order.get_str("_id").unwrap().to_owned()).collect()
}

/// Whether one of these members accepts writes.
async fn is_primary_among(members: &[&Server]) -> bool {
    for member in members {
        let client = Client::with_uri_str(member.url()).await.unwrap();
        let hello = client.database("admin").run_command(doc! { "hello": 1 }).await.unwrap();
        if hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return true;
        }
    }
    false
}

/// The primary accepts writes that no other member receives, and crashes.
#[tokio::test(flavor = "multi_thread")]
async fn writes_of_an_isolated_primary_are_rolled_back_and_never_published() {
    let (fleet, load) = start().await;
    let servers = fleet.processes.servers();
    let probe = ConsistencyProbe::start(&servers.mongodb_url()).await;
    let primary = servers.mongodb_primary().await.unwrap();
    let began = Instant::now();
    let others: Vec<_> = servers.mongodb_members().into_iter().filter(|it| it.port() != primary.port()).collect();
    let seller = fleet.token_user().unwrap();
    let mut tickets = Vec::new();
    for _ in 0..UNCONFIRMED_ORDERS {
        tickets.push(seller.create_listing(listing("Fidelio", 4_500)).await.unwrap());
    }
    wait_for_sales(&load, 10).await;
    for other in &others {
        other.signal(Signal::SIGSTOP);
    }
    // These requests have no idempotency key. With one, as the load sends it, no order would be inserted before a
    // majority has stored the key.
    for ticket in tickets {
        let buyer = fleet.token_user().unwrap();
        tokio::spawn(async move { buyer.create_order(ticket).await.ok() });
    }
    // The pause is longer than the time until the sweeper finds an unpublished event, and shorter than the election
    // timeout: an event that was read with local read concern would have been published by now.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let orders = orders_at(&primary.url()).await;
    let local = order_ids(&orders, ReadConcern::local()).await;
    let majority = order_ids(&orders, ReadConcern::majority()).await;
    let unconfirmed: BTreeSet<_> = local.difference(&majority).cloned().collect();
    assert!(!unconfirmed.is_empty(), "there is nothing to roll back among {} orders", local.len());
    primary.kill().unwrap();
    // The members are killed, not continued, because their sockets contain what the primary has already sent to them.
    for other in &others {
        other.kill().unwrap();
    }
    for other in &others {
        other.restart().await.unwrap();
    }
    wait_for_new_primary(&fleet, primary.port()).await;
    let elected = Instant::now();
    wait_for_sales(&load, 30).await;
    primary.restart().await.unwrap();
    wait_for_sales(&load, 30).await;
    ignore_stale_reads(&fleet, began, elected, probe.stop().await);
    finish_and_check(&fleet, load).await;
    let kept = order_ids(&orders_at(&servers.mongodb_url()).await, ReadConcern::majority()).await;
    let lost: BTreeSet<_> = unconfirmed.difference(&kept).cloned().collect();
    progress("Measured", &format!("{} of {} unconfirmed orders were rolled back", lost.len(), unconfirmed.len()));
    assert!(!lost.is_empty(), "no write of the isolated primary was rolled back");
    invariants::assert_never_published(&fleet, &lost).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_of_streams_crash_and_a_member_loses_its_data() {
    let (fleet, load) = start().await;
    let jetstream = fleet.jetstream().await.unwrap();
    let members = fleet.processes.servers().all();
    for stream in ["ticketing-orders", "ticketing-tickets", "ticketing-payments"] {
        let info = jetstream.get_stream(stream).await.unwrap().get_info().await.unwrap();
        assert_eq!(info.config.num_replicas, 3);
        let leader = info.cluster.unwrap().leader.unwrap();
        let (_, leader) = members.iter().find(|(name, _)| *name == leader).unwrap();
        leader.kill().unwrap();
        wait_for_sales(&load, 30).await;
        leader.restart().await.unwrap();
        members::wait_until_caught_up(&fleet).await.unwrap();
    }
    let lost = *fleet.processes.servers().nats_members().last().unwrap();
    lost.restart_with_empty_data().await.unwrap();
    wait_for_sales(&load, 30).await;
    members::wait_until_caught_up(&fleet).await.unwrap();
    finish_and_check(&fleet, load).await;
}

/// Prints the latency of a majority read and of a local read of the same order, under load.
async fn compare_read_concerns(url: &str) {
    const READS: usize = 1_000;
    let orders = Client::with_uri_str(url).await.unwrap().database("orders").collection::<Document>("orders");
    let id = orders.find_one(doc! {}).await.unwrap().expect("an order").get_str("_id").unwrap().to_owned();
    let (mut local, mut majority) = (Vec::new(), Vec::new());
    // The two reads alternate, so that other load affects both alike.
    for _ in 0..READS {
        for (concern, took) in [(ReadConcern::local(), &mut local), (ReadConcern::majority(), &mut majority)] {
            let began = Instant::now();
            orders.find_one(doc! { "_id": &id }).read_concern(concern).await.unwrap().expect("the order");
            took.push(began.elapsed());
        }
    }
    let quantiles = |took: &mut Vec<Duration>| {
        took.sort_unstable();
        (took[READS / 2], took[READS * 99 / 100])
    };
    let ((local_median, local_p99), (median, p99)) = (quantiles(&mut local), quantiles(&mut majority));
    progress(
        "Measured",
        &format!("a find by id: median {local_median:?}, p99 {local_p99:?} local; {median:?}, {p99:?} majority"),
    );
}

/// Measures write outages and stale reads: writes an increasing counter and reads it back, with the read and write
/// concern of the services.
struct ConsistencyProbe {
    stop: Arc<Notify>,
    result: JoinHandle<ProbeResult>,
}

#[derive(Clone, Copy)]
struct ProbeResult {
    /// The longest time between two acknowledged writes.
    outage: Duration,
    /// The time from the first read that was older than an acknowledged write to the next fresh read.
    stale: Duration,
    fresh_since: Instant,
}

impl ConsistencyProbe {
    #[expect(clippy::disallowed_methods, reason = "both tasks end with the probe")]
    async fn start(url: &str) -> Self {
        let mut options = ClientOptions::parse(url).await.unwrap();
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        options.server_selection_timeout = Some(Duration::from_secs(1));
        let client = Client::with_options(options).unwrap();
        let counts = client.database("probe").collection::<Document>("counts");
        let zero = doc! { "$set": { "count": 0_i64 } };
        counts.update_one(doc! { "_id": 1 }, zero).upsert(true).await.unwrap();
        let (stop, counters) = (Arc::new(Notify::new()), Arc::<ProbeCounters>::default());
        let writer = tokio::spawn(count(counts.clone(), Arc::clone(&counters)));
        let result = tokio::spawn({
            let stop = Arc::clone(&stop);
            async move {
                let (mut stale_since, mut stale, mut fresh_since) = (None, Duration::ZERO, Instant::now());
                loop {
                    let acknowledged = counters.acknowledged.load(Ordering::SeqCst);
                    let read = tokio::select! {
                        read = counts.find_one(doc! { "_id": 1 }) => read,
                        () = stop.notified() => break,
                    };
                    // The primary is unavailable, so there is no sample.
                    let Ok(found) = read else { continue };
                    let is_stale = found.and_then(|found| found.get_i64("count").ok()).unwrap_or(-1) < acknowledged;
                    match (is_stale, stale_since) {
                        (true, None) => stale_since = Some(Instant::now()),
                        (false, Some(since)) => {
                            stale += since.elapsed();
                            (stale_since, fresh_since) = (None, Instant::now());
                        }
                        _ => {}
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                writer.abort();
                ProbeResult {
                    outage: Duration::from_millis(counters.outage.load(Ordering::SeqCst)),
                    stale,
                    fresh_since,
                }
            }
        });
        Self { stop, result }
    }

    async fn stop(self) -> ProbeResult {
        self.stop.notify_one();
        self.result.await.unwrap()
    }
}

#[derive(Default)]
struct ProbeCounters {
    acknowledged: AtomicI64,
    /// The longest time between two acknowledged writes, in milliseconds.
    outage: AtomicU64,
}

/// Writes the counter until the task is aborted.
async fn count(counts: Collection<Document>, counters: Arc<ProbeCounters>) {
    let mut last = Instant::now();
    for next in 1_i64.. {
        while counts.update_one(doc! { "_id": 1 }, doc! { "$set": { "count": next } }).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        counters.acknowledged.store(next, Ordering::SeqCst);
        let pause = u64::try_from(last.elapsed().as_millis()).unwrap();
        counters.outage.fetch_max(pause, Ordering::SeqCst);
        last = Instant::now();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
