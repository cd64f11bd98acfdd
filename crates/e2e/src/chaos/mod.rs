//! Chaos: visitors use a fleet while random faults hit it; then everything is healed, and the invariants are checked.
//!
//! In reading order: [`mod@plan`] (which faults, when), `faults` (how each is injected), `pages`, `habits` and
//! [`visitors`] (what users do), `elections` (which stale reads are excused), `logs` (panics), `extent` (whether the
//! run tested enough), `audit` (`ticketctl audit`), [`timeline`], [`report`].
//!
//! # Why
//! The tests in `tests/it/faults.rs` and `failover.rs` inject one fault at a time. Here faults overlap, in combinations
//! that nobody planned. The seed determines the faults and the habits of each visitor; how they coincide depends on the
//! machine.

mod audit;
mod elections;
mod extent;
mod faults;
mod habits;
mod logs;
mod pages;
pub mod plan;
pub mod report;
pub mod timeline;
pub mod visitors;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use mongodb::bson::Document;
use testkit::tools::workspace_root;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use self::elections::Elections;
use self::plan::{Fault, Planned, Resource, Shape, Target, plan, targets};
use self::report::Report;
use self::timeline::Timeline;
use self::visitors::{Journeys, Visitors};
use crate::invariants;
use crate::test_fleet::{TestFleet, copy_logs};

/// The fleet of every run.
const SHAPE: Shape = Shape { instances: 2, members: 3 };
/// Duration of an unpaid hold; longer than an election.
const HOLD: Duration = Duration::from_secs(30);
/// `ORDER_TTL` is [`HOLD`], and payments are reconciled soon. Nothing is announced: no fault may lose a message, and an
/// announcement would repair the loss before the checks at the end can find it.
const SETTINGS: [(&str, &str); 4] =
    [("ORDER_TTL", "30s"), ("RECONCILE_AFTER", "2s"), ("ANNOUNCE_AFTER", "2h"), ("ANNOUNCE_PER_SECOND", "0")];

/// Options of a run.
#[derive(Debug, Clone)]
pub struct ChaosOptions {
    /// Determines the faults and the visitors' habits.
    pub seed: u64,
    /// How long faults are injected.
    pub duration: Duration,
    /// The faults, by default those of the seed.
    pub faults: Vec<Planned>,
    /// Number of users who buy and sell at the same time.
    pub visitors: usize,
    /// How long the fleet may take to settle afterwards.
    pub settle: Duration,
    /// The folder of another build of the services. Rolling restarts switch between that build and this one.
    pub next_release: Option<PathBuf>,
}

impl ChaosOptions {
    /// The default options with this seed. 160 visitors keep a development machine busy. In the time to settle, even
    /// the holds of an instance whose clock was two minutes fast expire.
    pub fn new(seed: u64, duration: Duration) -> Self {
        let faults = plan(seed, duration, SHAPE);
        Self { seed, duration, faults, visitors: 160, settle: Duration::from_secs(240), next_release: None }
    }

    /// The folder of the run's files: `target/chaos/<seed>`.
    pub fn folder(&self) -> PathBuf {
        workspace_root().join(format!("target/chaos/{}", self.seed))
    }
}

/// Starts a fleet and visitors, injects the faults, heals everything and checks the invariants. Writes `timeline.jsonl`
/// and `history.jsonl` to the run's folder, and the logs if something was found.
pub async fn run(options: &ChaosOptions) -> Result<Report> {
    run_with(options, async |_: &TestFleet| Ok(())).await
}

/// Like [`run`], but also runs `activity` on the fleet while faults are injected.
pub async fn run_with(options: &ChaosOptions, activity: impl AsyncFnOnce(&TestFleet) -> Result<()>) -> Result<Report> {
    let folder = options.folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let fleet = TestFleet::start_proxied(&SETTINGS).await?;
    fleet.responses.start_history(&folder.join("history.jsonl"))?;
    let timeline = Timeline::start(&folder.join("timeline.jsonl"))?;
    let run = Run::new(&fleet, &timeline, options);
    let mut elections = Elections::new(&fleet);
    let (faults, journeys) = tokio::select! {
        never = elections.watch() => match never {},
        ended = Box::pin(run.until_visitors_leave(options, activity)) => ended?,
    };
    let stale_reads = elections.end().await;
    for violation in &journeys.violations {
        timeline.record_finding(violation.as_str());
    }
    let mut violations = invariants::violations_at_rest(&fleet, options.settle).await;
    let mut audited = audit::violations(&fleet).await;
    audited.retain(|violation| !violations.contains(violation));
    violations.extend(audited);
    for violation in violations {
        timeline.record_finding(violation);
    }
    for missing in extent::still_missing(&journeys).await {
        timeline.record_finding(missing);
    }
    for target in targets(SHAPE) {
        faults::report_exit(&fleet, &timeline, target);
    }
    for panic in logs::panics(&fleet.logs)? {
        timeline.record_finding(format!("panic in {panic}"));
    }
    fleet.responses.end_history()?;
    let orders = count_orders(&fleet).await?;
    for shortfall in extent::shortfalls(options, faults.values().sum(), orders, &journeys) {
        timeline.record_finding(shortfall);
    }
    let (timeline, findings) = timeline.contents();
    if !findings.is_empty() {
        copy_logs(&fleet.logs, &folder.join("logs")).context("copying the logs")?;
    }
    Ok(Report { seed: options.seed, folder, faults, orders, journeys, stale_reads, findings, timeline })
}

/// One lock for each resource of the planned faults and of the processes that are restarted after an exit.
fn locks(options: &ChaosOptions) -> BTreeMap<Resource, Mutex<()>> {
    let faults = options.faults.iter().flat_map(|planned| planned.fault.resources(SHAPE));
    let resources: BTreeSet<Resource> = faults.chain(targets(SHAPE).map(Target::resource)).collect();
    resources.into_iter().map(|resource| (resource, Mutex::new(()))).collect()
}

async fn count_orders(fleet: &TestFleet) -> Result<u64> {
    let client = mongodb::Client::with_uri_str(fleet.processes.servers().mongodb_url()).await?;
    Ok(client.database("orders").collection::<Document>("orders").estimated_document_count().await?)
}

struct Run<'a> {
    fleet: &'a TestFleet,
    timeline: &'a Timeline,
    locks: BTreeMap<Resource, Mutex<()>>,
    /// Whether all faults have ended.
    is_over: AtomicBool,
}

impl<'a> Run<'a> {
    fn new(fleet: &'a TestFleet, timeline: &'a Timeline, options: &ChaosOptions) -> Self {
        Self { fleet, timeline, locks: locks(options), is_over: AtomicBool::new(false) }
    }

    /// Injects all faults while visitors buy and sell, heals the fleet and waits until the visitors have finished their
    /// journeys. Returns the number of faults by kind, and how the journeys ended.
    async fn until_visitors_leave(
        &self,
        options: &ChaosOptions,
        activity: impl AsyncFnOnce(&TestFleet) -> Result<()>,
    ) -> Result<(BTreeMap<&'static str, usize>, Journeys)> {
        let visitors = Visitors::start(self.fleet, options.seed, options.visitors)?;
        let (faults, activity, ()) =
            tokio::join!(self.inject_all(options), activity(self.fleet), self.restart_ended_processes());
        activity?;
        self.timeline.record("fault injection ended");
        if let Err(error) = faults::heal(self.fleet, self.timeline, SHAPE).await {
            self.timeline.record_finding(format!("the fleet did not recover: {error:#}"));
        }
        let journeys = visitors.stop().await?;
        self.timeline.record("all visitors have finished");
        Ok((faults, journeys))
    }

    /// Injects all faults; returns their number by kind.
    async fn inject_all(&self, options: &ChaosOptions) -> BTreeMap<&'static str, usize> {
        let end = self.timeline.started() + options.duration;
        let next = options.next_release.as_deref();
        let injected = join_all(options.faults.iter().map(|planned| self.inject(planned, next, end))).await;
        sleep_until(end).await;
        self.is_over.store(true, Ordering::SeqCst);
        let mut counts = BTreeMap::<_, usize>::new();
        for kind in injected.into_iter().flatten() {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    /// Injects a fault at its planned time, or later if another fault still uses one of its resources. Returns the
    /// fault's kind, or `None` if it was skipped because the time for faults had ended.
    async fn inject(&self, planned: &Planned, next_release: Option<&Path>, end: Instant) -> Option<&'static str> {
        sleep_until(self.timeline.started() + planned.at).await;
        let mut held = Vec::new();
        for resource in planned.fault.resources(SHAPE) {
            held.push(self.locks[&resource].lock().await);
        }
        if Instant::now() > end {
            return None;
        }
        let fault = planned.fault;
        self.timeline.record(format!("{fault}, for {:?}", planned.lasts));
        match faults::inject(self.fleet, self.timeline, next_release, planned).await {
            Ok(()) => self.timeline.record(format!("recovered from: {fault}")),
            Err(error) => self.timeline.record_finding(format!("not recovered from: {fault}: {error:#}")),
        }
        if matches!(fault, Fault::WrongClock(..)) {
            // Only the first lock, that of the clocks, is kept: a timer that was fired early waits in `orders` until its
            // hold ends.
            held.truncate(1);
            sleep_until(end.min(Instant::now() + HOLD)).await;
        }
        Some(fault.kind())
    }

    /// Restarts processes that exit by themselves, as Kubernetes does, until all faults have ended. Each such exit is a
    /// finding: a process must survive the faults of others.
    async fn restart_ended_processes(&self) {
        while !self.is_over.load(Ordering::SeqCst) {
            sleep(Duration::from_secs(1)).await;
            for target in targets(SHAPE) {
                // A fault that holds the lock may have ended the process.
                let Ok(_held) = self.locks[&target.resource()].try_lock() else { continue };
                if !faults::report_exit(self.fleet, self.timeline, target) {
                    continue;
                }
                if let Err(error) = faults::restart(self.fleet, self.timeline, target).await {
                    self.timeline.record_finding(format!("{target} could not be restarted: {error:#}"));
                }
            }
        }
    }
}
