//! Propagation latency: the time until a ticket shows the effect of a request, polled as a client would.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::api::tickets::ReadListing;
use common::events::ticket::TicketStatus;
use common::id::TicketId;
use tokio::time::Instant;

use super::workload::Workload;
use crate::http1::Pool;
use crate::load::{LoadResult, run_open_loop};
use crate::results::{Propagation, Results};
use crate::testbed::{Order, TestBed};

/// Orders per second. The targets name the last two.
const ORDER_RATES: [u32; 3] = [50, 150, 350];
/// Payments per second. The targets name both.
const PAYMENT_RATES: [u32; 2] = [50, 150];
/// Number of operations per second whose latency is sampled; polling for all of them would be most of the load.
const SAMPLED_PER_SECOND: u32 = 25;
/// Interval at which a sampled ticket is polled.
const POLL: Duration = Duration::from_millis(2);
/// Pause between operations on an idle fleet.
const PAUSE: Duration = Duration::from_millis(20);
/// Maximum time until the effect is shown: far longer than it takes to work off the backlog of ten seconds of overload.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(180);
const CONNECTIONS: usize = 256;

/// Measures the time from sending an order until its ticket is shown as reserved.
pub(super) async fn reserved(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let (orders, tickets) = (pool(bed, "orders")?, pool(bed, "tickets")?);
    let order = async |ticket, sampled_since| {
        bed.order(ticket, async |request, cookie| Ok(orders.send(&request, Some(&cookie)).await?.id)).await?;
        poll(&tickets, ticket, TicketStatus::Reserved, sampled_since).await
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
    let (payments, tickets) = (pool(bed, "payments")?, pool(bed, "tickets")?);
    let pay = async |order: Order, sampled_since| {
        payments.send(&order.payment(), Some(&order.cookie)).await?;
        poll(&tickets, order.ticket, TicketStatus::Sold, sampled_since).await
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

/// Polls until the ticket has this status, and returns the time since `since`; does nothing if that is `None`.
async fn poll(pool: &Pool, id: TicketId, status: TicketStatus, since: Option<Instant>) -> Result<Option<Duration>> {
    let Some(since) = since else { return Ok(None) };
    loop {
        let shown = pool.send(&ReadListing { id }, None).await?.status;
        if shown == status {
            return Ok(Some(since.elapsed()));
        }
        let elapsed = since.elapsed();
        ensure!(elapsed < PROPAGATION_TIMEOUT, "{id:?} is {shown:?}, not {status:?}, after {elapsed:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Runs `act` sequentially on an idle fleet, then at each rate. `act` receives the time from which to measure its
/// latency if the operation is sampled.
async fn measure<T>(
    bed: &TestBed,
    workload: &Workload,
    rates: &[u32],
    stock: impl AsyncFn(usize) -> Result<Vec<T>>,
    act: impl AsyncFn(T, Option<Instant>) -> Result<Option<Duration>>,
) -> Result<Vec<Propagation>> {
    // Warm up connections, caches and the services' own pools.
    for item in stock(workload.idle_orders / 4).await? {
        act(item, Some(Instant::now())).await?;
    }
    let mut idle = LoadResult::default();
    for item in stock(workload.idle_orders).await? {
        tokio::time::sleep(PAUSE).await;
        idle.count += 1;
        if let Some(latency) = act(item, Some(Instant::now())).await.context("idle")? {
            idle.latencies.record(latency);
        }
    }
    let mut propagations = vec![Propagation { rate: None, load: idle }];
    for rate in rates.iter().copied() {
        let items = stock(rate as usize * workload.arrival_seconds).await?;
        let sample_every = rate.div_ceil(SAMPLED_PER_SECOND) as usize;
        let numbered: Vec<(usize, T)> = items.into_iter().enumerate().collect();
        let act = async |(index, item): (usize, T), scheduled| {
            act(item, index.is_multiple_of(sample_every).then_some(scheduled)).await
        };
        let load = run_open_loop(numbered, rate, act).await.with_context(|| format!("{rate} per second"))?;
        propagations.push(Propagation { rate: Some(rate), load });
        bed.processes()?.wait_until_idle().await?;
    }
    Ok(propagations)
}
