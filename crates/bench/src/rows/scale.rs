//! How much is done for each figure, and how a rate is measured.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::figures::Rate;
use crate::load::Outcome;
use crate::shop::Shop;

/// How much is done for each figure.
#[derive(Debug)]
pub(crate) struct Scale {
    /// How long each closed loop runs.
    pub(super) duration: Duration,
    /// How long it runs before that, unmeasured.
    pub(super) warm_up: Duration,
    /// Tickets to read from.
    pub(super) listings: usize,
    /// Tickets to search among in the end.
    pub(super) many_listings: usize,
    /// How often each search is made, and each page asked for.
    pub(super) searches: usize,
    /// How many pages are open at once.
    pub(super) pages: usize,
    /// How many changes they are told of.
    pub(super) changes: usize,
    /// Tickets or orders that a loop may use up.
    pub(super) stock: usize,
    /// Orders before the loop that measures how much they slow it down.
    pub(super) earlier_orders: usize,
    /// Sequential orders on an idle fleet.
    pub(super) idle_orders: usize,
    /// Seconds of arrivals at each rate.
    pub(super) arrivals: usize,
    /// How often each service is started.
    pub(super) starts: usize,
    /// How long nothing is asked of the fleet before its memory is read.
    pub(super) idle: Duration,
}

impl Scale {
    pub(crate) const FULL: Self = Self {
        duration: Duration::from_secs(7),
        warm_up: Duration::from_secs(1),
        listings: 1000,
        many_listings: 100_000,
        searches: 200,
        pages: 5000,
        changes: 20,
        stock: 10_000,
        earlier_orders: 20_000,
        idle_orders: 200,
        arrivals: 10,
        starts: 5,
        idle: Duration::from_secs(10),
    };
    pub(crate) const QUICK: Self = Self {
        duration: Duration::from_secs(1),
        warm_up: Duration::from_millis(300),
        listings: 200,
        many_listings: 5000,
        searches: 20,
        pages: 500,
        changes: 3,
        stock: 1500,
        earlier_orders: 2000,
        idle_orders: 30,
        arrivals: 2,
        starts: 2,
        idle: Duration::from_secs(2),
    };

    /// Runs the load twice, first to warm up, and takes the CPUs' use from rest to rest.
    pub(super) async fn rate(
        &self,
        shop: &Shop,
        work: &str,
        service: Option<&'static str>,
        mut load: impl AsyncFnMut(Duration) -> Result<Outcome>,
    ) -> Result<Rate> {
        load(self.warm_up).await?;
        let processes = shop.processes()?;
        processes.wait_until_idle().await?;
        let before = processes.read()?;
        let outcome = load(self.duration).await?;
        processes.wait_until_idle().await?;
        let used = processes.read()?.since(&before)?;
        ensure!(outcome.count > 0, "nothing was left to measure after the warm-up");
        Ok(Rate { work: work.to_owned(), service, outcome, used, listed: None })
    }
}
