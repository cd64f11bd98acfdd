//! Measures what an instance costs: the connections, memory and periodic work of fleets with different numbers of
//! instances, at rest and under a paced load, and the CPU of a purchase in each.
//!
//! # Why
//! A fleet can't grow further if each instance uses more the more instances there are. The load is the same for each
//! fleet and far below what the machine can do, so that the results do not depend on the CPU.

pub mod usage;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::events::order::OrderStatus;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use testkit::fleet::SERVICES;
use testkit::fleet::instance::Instance;
use testkit::proc;
use testkit::tools::progress;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::usage::{Phase, PurchaseCost, Spread, Usage};
use crate::backlog::backlog;
use crate::database_work::{Work, number_at};
use crate::test_fleet::{TestFleet, listing};
use crate::user_client::UserClient;

/// Pause after a fleet's start: the scans of the empty collections end, and connection pools fill.
const WARM_UP: Duration = Duration::from_secs(5);
/// Maximum time from the last purchase until its events are handled.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after the last event: the events that have been published are removed from the outboxes.
const OUTBOX_PAUSE: Duration = Duration::from_secs(2);
/// Number of sellers, and of buyers. The purchases are spread over them.
const USERS: usize = 10;

/// How a fleet is measured.
#[derive(Debug, Clone, Copy)]
pub struct ScalingOptions {
    /// Instances of each service.
    pub instances: u8,
    /// How long the fleet is measured at rest.
    pub rest: Duration,
    /// How long tickets are sold.
    pub load: Duration,
    /// Number of tickets that are listed, ordered and paid per second.
    pub purchases_per_second: u32,
    /// Settings of all services.
    pub settings: &'static [(&'static str, &'static str)],
}

/// What a fleet used.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// While nothing happens.
    pub rest: Usage,
    /// While tickets are sold.
    pub load: Usage,
    /// What each purchase has cost.
    pub purchase: PurchaseCost,
}

/// Starts a fleet, measures it at rest and under load, and stops it.
///
/// # Errors
/// When a process does not start, or a purchase fails.
pub async fn measure(options: &ScalingOptions) -> Result<Measurement> {
    progress("Measuring", &format!("{} instances of each service", options.instances));
    let fleet = TestFleet::start_instances(options.instances, options.settings).await?;
    let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await?;
    sleep(WARM_UP).await;
    let idle = async {
        sleep(options.rest).await;
        anyhow::Ok(0)
    };
    let (rest, _) = observe(&fleet, &client, options.instances, Phase::Rest, idle).await?;
    let before = Volume::read(&fleet, &client).await?;
    let (load, purchases) =
        Box::pin(observe(&fleet, &client, options.instances, Phase::Load, sell(&fleet, options))).await?;
    let cpu = load.cpu_beyond(&rest) / f64::from(purchases.max(1));
    let purchase = Volume::read(&fleet, &client).await?.since(&before, purchases, cpu);
    Ok(Measurement { rest, load, purchase })
}

/// Runs an activity and measures the fleet meanwhile. Returns the usage and the activity's result.
async fn observe(
    fleet: &TestFleet,
    client: &Client,
    instances: u8,
    phase: Phase,
    activity: impl Future<Output = Result<u32>>,
) -> Result<(Usage, u32)> {
    let turns = count_turns(client).await?;
    let (before, cpu_before) = (Work::now(client).await?, cpu_seconds(fleet)?);
    let result = activity.await?;
    let (after, cpu_after) = (Work::now(client).await?, cpu_seconds(fleet)?);
    let turns = count_turns(client).await? - turns;
    let (seconds, (reads, written)) = (after.seconds_since(before), after.since(before, (0.0, 0.0)));

    let servers = fleet.processes.servers();
    let ports = [servers.mongodb.port(), servers.nats.port(), servers.redis.port()];
    let (mut connections, mut resident) = ([Vec::new(), Vec::new(), Vec::new()], Vec::new());
    for instance in SERVICES.iter().flat_map(|service| fleet.processes.instances(service)) {
        let by_port = proc::connections(instance.pid()).with_context(|| instance.name().to_owned())?;
        for (counts, port) in connections.iter_mut().zip(ports) {
            counts.push(by_port.get(&port).copied().unwrap_or(0));
        }
        resident.push(proc::resident_bytes(instance.pid()).with_context(|| instance.name().to_owned())?);
    }
    let [mongodb, nats, redis] = connections.map(|counts| Spread::of(&counts));
    let usage = Usage {
        instances,
        phase,
        seconds,
        cpu_seconds: cpu_after - cpu_before,
        mongodb,
        nats,
        redis,
        resident: Spread::of(&resident),
        reads_per_second: reads / seconds,
        written_per_second: written / seconds,
        turns,
        consumers: count_consumers(fleet).await?,
    };
    Ok((usage, result))
}

/// The CPU time that the services, MongoDB, NATS and Redis have used since their start, in seconds.
fn cpu_seconds(fleet: &TestFleet) -> Result<f64> {
    let servers = fleet.processes.servers();
    let services = SERVICES.iter().flat_map(|service| fleet.processes.instances(service));
    let pids = [servers.mongodb.pid(), servers.nats.pid(), servers.redis.pid()].into_iter();
    pids.chain(services.map(Instance::pid)).map(proc::cpu_seconds).sum()
}

/// Number of turns (batches of a periodic task, each for one instance) that all instances have taken since the fleet's
/// start.
async fn count_turns(client: &Client) -> Result<i64> {
    let mut count = 0;
    for service in SERVICES {
        for collection in ["turns", "announcement_scans"] {
            let documents = client.database(service).collection::<Document>(collection);
            let mut found = documents.find(doc! {}).await?;
            while let Some(document) = found.try_next().await? {
                count += document.get_i64("turn").with_context(|| format!("{collection} of {service}"))?;
            }
        }
    }
    Ok(count)
}

/// Number of durable consumers, which all instances of a service share.
async fn count_consumers(fleet: &TestFleet) -> Result<usize> {
    let jetstream = fleet.jetstream().await?;
    let names: Vec<_> = jetstream.stream_names().try_collect().await?;
    let mut count = 0;
    for name in &names {
        let stream = jetstream.get_stream(name).await?;
        let mut consumers = stream.consumers();
        while let Some(consumer) = consumers.try_next().await? {
            count += usize::from(consumer.config.durable_name.is_some());
        }
    }
    Ok(count)
}

/// Sells tickets at the rate of the options, and waits until all of their events are handled. Returns the number of
/// tickets sold.
async fn sell(fleet: &TestFleet, options: &ScalingOptions) -> Result<u32> {
    let users: Vec<_> =
        (0..USERS).map(|_| Ok((fleet.token_user()?, fleet.token_user()?))).collect::<Result<Vec<_>>>()?;
    let mut ticks = interval(Duration::from_secs(1) / options.purchases_per_second.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (end, mut purchases) = (Instant::now() + options.load, JoinSet::new());
    for (seller, buyer) in users.into_iter().cycle() {
        ticks.tick().await;
        if Instant::now() >= end {
            break;
        }
        purchases.spawn(buy(seller, buyer));
    }
    let mut sold = 0;
    while let Some(purchase) = purchases.join_next().await {
        purchase??;
        sold += 1;
    }
    let began = Instant::now();
    while backlog(fleet).await? > 0 {
        ensure!(began.elapsed() < EVENT_TIMEOUT, "events are still unhandled after {EVENT_TIMEOUT:?}");
        sleep(Duration::from_millis(50)).await;
    }
    sleep(OUTBOX_PAUSE).await;
    Ok(sold)
}

/// Lists a ticket, orders it and pays for it. Waits until the order is completed.
async fn buy(seller: UserClient, buyer: UserClient) -> Result<()> {
    let ticket = seller.create_listing(listing("Any night", 5_000)).await?;
    let order = buyer.create_order(ticket).await?.id;
    buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await?;
    buyer.pay(order, "pm_card_visa").await?;
    buyer.wait_for_order(order, OrderStatus::Completed).await?;
    Ok(())
}

/// How much all services have stored: bytes in databases, and events in streams.
struct Volume {
    data: f64,
    indexes: f64,
    events: u64,
    event_bytes: u64,
}

impl Volume {
    async fn read(fleet: &TestFleet, client: &Client) -> Result<Self> {
        let mut volume = Self { data: 0.0, indexes: 0.0, events: 0, event_bytes: 0 };
        for service in SERVICES {
            let (data, indexes) = stored_bytes(&client.database(service)).await?;
            volume.data += data;
            volume.indexes += indexes;
        }
        let jetstream = fleet.jetstream().await?;
        let names: Vec<_> = jetstream.stream_names().try_collect().await?;
        for name in &names {
            let stream = jetstream.get_stream(name).await?;
            volume.events += stream.cached_info().state.messages;
            volume.event_bytes += stream.cached_info().state.bytes;
        }
        Ok(volume)
    }

    /// What each purchase has added since `earlier`. `cpu_seconds` is the CPU time of one purchase.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn since(&self, earlier: &Self, purchases: u32, cpu_seconds: f64) -> PurchaseCost {
        let each = |growth: f64| growth / f64::from(purchases.max(1));
        PurchaseCost {
            purchases,
            cpu_seconds,
            data: each(self.data - earlier.data),
            indexes: each(self.indexes - earlier.indexes),
            events: each((self.events - earlier.events) as f64),
            event_bytes: each((self.event_bytes - earlier.event_bytes) as f64),
        }
    }
}

/// The bytes of the documents of a database before compression, and those of its indexes.
async fn stored_bytes(database: &Database) -> Result<(f64, f64)> {
    let stats = database.run_command(doc! { "dbStats": 1 }).await?;
    Ok((number_at(&stats, "dataSize")?, number_at(&stats, "indexSize")?))
}
