//! The sizes of the workloads, and the measurement of a throughput.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::database::DatabaseWork;
use crate::load::run_closed_loop;
use crate::results::Throughput;
use crate::testbed::TestBed;

#[derive(Debug)]
pub(crate) struct Workload {
    /// Duration of each closed loop.
    duration: Duration,
    /// Duration of the warm-up loop before each of them, which is not measured.
    warm_up: Duration,
    /// Number of tickets to read.
    pub(super) listings: usize,
    /// Number of listings in the search case with many listings.
    pub(super) many_listings: usize,
    /// Number of requests of each search and page.
    pub(super) repetitions: usize,
    /// Number of pages that are open at once.
    pub(super) pages: usize,
    /// Number of changes that the open pages are notified of.
    pub(super) changes: usize,
    /// Stock of tickets or orders of each closed loop.
    pub(super) stock: usize,
    /// Number of earlier orders in the case with many earlier orders.
    pub(super) earlier_orders: usize,
    /// Number of sequential orders on an idle fleet.
    pub(super) idle_orders: usize,
    /// Duration of the arrivals at each rate, in seconds.
    pub(super) arrival_seconds: usize,
    /// Number of starts of each service.
    pub(super) starts: usize,
    /// Time without requests before the memory of the fleet is measured.
    pub(super) idle: Duration,
}

impl Workload {
    pub(crate) const FULL: Self = Self {
        duration: Duration::from_secs(7),
        warm_up: Duration::from_secs(1),
        listings: 1000,
        many_listings: 100_000,
        repetitions: 200,
        pages: 5000,
        changes: 20,
        stock: 10_000,
        earlier_orders: 20_000,
        idle_orders: 200,
        arrival_seconds: 10,
        starts: 5,
        idle: Duration::from_secs(10),
    };
    pub(crate) const QUICK: Self = Self {
        duration: Duration::from_secs(1),
        warm_up: Duration::from_millis(300),
        listings: 200,
        many_listings: 5000,
        repetitions: 20,
        pages: 500,
        changes: 3,
        stock: 1500,
        earlier_orders: 2000,
        idle_orders: 30,
        arrival_seconds: 2,
        starts: 2,
        idle: Duration::from_secs(2),
    };

    /// Runs a closed loop of the operation twice, first to warm up. CPU time is measured between two moments at which
    /// the fleet is idle, so that it includes asynchronous work. `process` is the one under test; `None` if that is the
    /// load generator itself.
    pub(super) async fn measure<W>(
        &self,
        bed: &TestBed,
        work: &str,
        process: Option<&'static str>,
        workers: &mut [W],
        operation: impl AsyncFn(&mut W) -> Result<bool>,
    ) -> Result<Throughput> {
        run_closed_loop(workers, self.warm_up, &operation).await?;
        let processes = bed.processes()?;
        processes.wait_until_idle().await?;
        let (before, work_before) = (processes.read()?, DatabaseWork::now(&bed.mongodb).await?);
        let load = run_closed_loop(workers, self.duration, &operation).await?;
        processes.wait_until_idle().await?;
        let cpu = processes.read()?.since(&before);
        let database = DatabaseWork::now(&bed.mongodb).await?.since(work_before);
        ensure!(load.count > 0, "nothing was left to measure after the warm-up");
        Ok(Throughput { work: work.to_owned(), process, load, cpu, database, page: None })
    }
}
