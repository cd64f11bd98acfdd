//! CPU time per process, from `/proc/<pid>`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::proc::cpu_seconds;

/// The name of our own process.
pub(crate) const LOAD_GENERATOR: &str = "load generator";

/// Interval between CPU measurements while waiting for the fleet to become idle.
const WINDOW: Duration = Duration::from_millis(500);
/// An idle fleet uses less than this fraction of one CPU.
const IDLE_THRESHOLD: f64 = 0.12;
/// Maximum time until the fleet is idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(180);

/// Name and id of each process of the fleet, and of our own.
#[derive(Debug, Clone)]
pub(crate) struct Processes(Vec<(&'static str, u32)>);

/// CPU seconds that each process has used since its start.
#[derive(Debug, Clone)]
pub(crate) struct CpuReading(BTreeMap<&'static str, f64>);

/// CPU seconds that each process used between two readings.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuUsage(BTreeMap<&'static str, f64>);

impl Processes {
    /// Adds our own process to these.
    pub(crate) fn new(mut all: Vec<(&'static str, u32)>) -> Self {
        all.push((LOAD_GENERATOR, std::process::id()));
        Self(all)
    }

    pub(crate) fn read(&self) -> Result<CpuReading> {
        let used = |(name, pid): &(&'static str, u32)| {
            Ok((*name, cpu_seconds(*pid).with_context(|| format!("reading the CPU time of {name}"))?))
        };
        self.0.iter().map(used).collect::<Result<_>>().map(CpuReading)
    }

    /// Waits until the fleet has completed the asynchronous work of earlier requests: until it is idle in two windows.
    pub(crate) async fn wait_until_idle(&self) -> Result<()> {
        let started = tokio::time::Instant::now();
        let mut before = self.read()?;
        let mut idle_windows = 0;
        while idle_windows < 2 {
            ensure!(started.elapsed() < IDLE_TIMEOUT, "the fleet is still busy after {IDLE_TIMEOUT:?}");
            tokio::time::sleep(WINDOW).await;
            let now = self.read()?;
            let busy = now.since(&before).total_excluding(&[LOAD_GENERATOR]) / WINDOW.as_secs_f64();
            idle_windows = if busy < IDLE_THRESHOLD { idle_windows + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }
}

impl CpuReading {
    /// The usage of a process that was restarted in between counts from its start.
    pub(crate) fn since(&self, earlier: &Self) -> CpuUsage {
        let used = |(name, now): (&&'static str, &f64)| {
            let before = earlier.0.get(name).filter(|before| *before <= now).unwrap_or(&0.0);
            (*name, now - before)
        };
        CpuUsage(self.0.iter().map(used).collect())
    }
}

impl CpuUsage {
    #[cfg(test)]
    pub(crate) fn new(all: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        Self(all.into_iter().collect())
    }

    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn total_excluding(&self, excluded: &[&str]) -> f64 {
        self.0.iter().filter(|(name, _)| !excluded.contains(name)).map(|(_, used)| used).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_the_difference_of_snapshots_or_counts_from_a_restart() {
        let reading = |pairs: &[(&'static str, f64)]| CpuReading(pairs.iter().copied().collect());
        let before = reading(&[("orders", 1.0), ("web", 5.0)]);
        let used = reading(&[("orders", 3.5), ("web", 0.3), ("mongod", 0.1)]).since(&before);
        let shown = ["orders", "web", "mongod", "nobody"].map(|name| format!("{:.2}", used.of(name)));
        assert_eq!(shown, ["2.50", "0.30", "0.10", "0.00"]);
        assert!((used.total_excluding(&["orders"]) - 0.4).abs() < 1e-9);
    }
}
