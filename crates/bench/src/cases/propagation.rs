//! Propagation latency: the time until a ticket shows the effect of a request.
//!
//! # Why
//! The end is the arrival of the ticket's event, which `tickets` publishes once the write is acknowledged, so that a
//! request would see it a little earlier. Polling the tickets instead was up to a third of the machine's load, and
//! itself made the fleet slow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::events::Change as _;
use common::events::envelope::Envelope;
use common::events::ticket::TicketChange;
use common::id::TicketId;
use futures::StreamExt as _;
use serde::de::IgnoredAny;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::workload::Workload;
use crate::database::DatabaseWork;
use crate::http1::Pool;
use crate::load::{LoadResult, run_open_loop};
use crate::results::{Propagation, Results};
use crate::testbed::{Order, TestBed};

/// Orders per second. The targets name the last two.
const ORDER_RATES: [u32; 3] = [50, 150, 350];
/// Payments per second. The targets name both.
const PAYMENT_RATES: [u32; 2] = [50, 150];
/// Pause between operations on an idle fleet.
const PAUSE: Duration = Duration::from_millis(20);
/// Maximum time until the effect is shown: far longer than it takes to work off the backlog of ten seconds of overload.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(180);
const CONNECTIONS: usize = 256;

/// Measures the time from sending an order until its ticket is shown as reserved.
pub(super) async fn reserved(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let (orders, tickets) = (pool(bed, "orders")?, Watcher::start(bed, TicketChange::Reserved).await?);
    let order = async |ticket, scheduled| {
        let reserved = tickets.watch(ticket);
        bed.order(ticket, async |request, cookie| Ok(orders.send(&request, Some(&cookie)).await?.id)).await?;
        reserved.time_since(scheduled).await
    };
    let stock = async |count| {
        bed.stock_tickets(count).await?;
        Ok(take(&mut bed.tickets.borrow_mut(), count))
    };
    results.reserved = measure(bed, workload, &ORDER_RATES, stock, order).await?;
    Ok(())
}

/// Measures the time from sending a payment until the ticket is shown as sold.
pub(super) async fn sold(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let (payments, tickets) = (pool(bed, "payments")?, Watcher::start(bed, TicketChange::Sold).await?);
    let pay = async |order: Order, scheduled| {
        let sold = tickets.watch(order.ticket);
        payments.send(&order.payment(), Some(&order.cookie)).await?;
        sold.time_since(scheduled).await
    };
    let stock = async |count| {
        bed.stock_orders(count).await?;
        Ok(take(&mut bed.orders.borrow_mut(), count))
    };
    results.sold = measure(bed, workload, &PAYMENT_RATES, stock, pay).await?;
    Ok(())
}

fn pool(bed: &TestBed, service: &str) -> Result<Pool> {
    Ok(Pool::new(bed.address(service)?, CONNECTIONS))
}

fn take<T>(stock: &mut Vec<T>, count: usize) -> Vec<T> {
    stock.split_off(stock.len().saturating_sub(count))
}

/// Watches the events of one kind of change of tickets. Stops when this is dropped.
struct Watcher {
    watched: Watched,
    task: JoinHandle<()>,
}

/// The tickets whose change has not occurred, and who waits for it.
type Watched = Arc<Mutex<HashMap<TicketId, oneshot::Sender<Instant>>>>;

impl Watcher {
    async fn start(bed: &TestBed, change: TicketChange) -> Result<Self> {
        let nats = async_nats::connect(bed.fleet.servers().nats.url()).await?;
        let mut events = nats.subscribe(format!("ticketing.{}", change.event_type())).await?;
        // The subscription must exist before the first change.
        nats.flush().await?;
        let watched = Watched::default();
        let waiting = Arc::clone(&watched);
        let task = tokio::spawn(async move {
            while let Some(message) = events.next().await {
                let at = Instant::now();
                let event = serde_json::from_slice::<Envelope<IgnoredAny>>(&message.payload);
                let Some(id) = event.ok().and_then(|event| event.subject.parse().ok()) else { continue };
                let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Some(waiting) = waiting {
                    waiting.send(at).ok();
                }
            }
        });
        Ok(Self { watched, task })
    }

    /// Watches this ticket from now on.
    fn watch(&self, id: TicketId) -> Changed {
        let (sender, at) = oneshot::channel();
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        Changed { id, at }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The change of a watched ticket.
struct Changed {
    id: TicketId,
    at: oneshot::Receiver<Instant>,
}

impl Changed {
    /// Waits for the change, and returns the time between `since` and it.
    async fn time_since(self, since: Instant) -> Result<Duration> {
        let at = timeout_at(since + PROPAGATION_TIMEOUT, self.at).await;
        let at = at.with_context(|| format!("{} has not changed in time", self.id))?.context("no more events")?;
        Ok(at - since)
    }
}

/// Runs `act` sequentially on an idle fleet, then at each rate. `act` receives the time from which to measure its
/// latency.
async fn measure<T>(
    bed: &TestBed,
    workload: &Workload,
    rates: &[u32],
    stock: impl AsyncFn(usize) -> Result<Vec<T>>,
    act: impl AsyncFn(T, Instant) -> Result<Duration>,
) -> Result<Vec<Propagation>> {
    // Warm up connections, caches and the services' own pools.
    for item in stock(workload.idle_orders / 4).await? {
        act(item, Instant::now()).await?;
    }
    let idle = async |items: Vec<T>| {
        let mut idle = LoadResult::default();
        for item in items {
            tokio::time::sleep(PAUSE).await;
            idle.count += 1;
            idle.latencies.record(act(item, Instant::now()).await.context("idle")?);
        }
        anyhow::Ok(idle)
    };
    let mut propagations = Vec::new();
    for rate in std::iter::once(None).chain(rates.iter().copied().map(Some)) {
        let count = rate.map_or(workload.idle_orders, |rate| rate as usize * workload.arrival_seconds);
        let items = stock(count).await?;
        bed.processes()?.wait_until_idle().await?;
        let before = DatabaseWork::now(&bed.mongodb).await?;
        let load = match rate {
            Some(rate) => run_open_loop(items, rate, &act).await.with_context(|| format!("{rate} per second"))?,
            None => idle(items).await?,
        };
        bed.processes()?.wait_until_idle().await?;
        let database = DatabaseWork::now(&bed.mongodb).await?.since(before);
        propagations.push(Propagation { rate, load, database });
    }
    Ok(propagations)
}
