//! CPU time per process, from `/proc/<pid>`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::{SysconfVar, sysconf};

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

/// Clock ticks of CPU time that each process has used since its start.
#[derive(Debug, Clone)]
pub(crate) struct CpuReading(BTreeMap<&'static str, u64>);

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
        let ticks = |(name, pid): &(&'static str, u32)| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("reading {name}"))?;
            Ok((*name, ticks(&stat).with_context(|| format!("/proc/{pid}/stat of {name}"))?))
        };
        self.0.iter().map(ticks).collect::<Result<_>>().map(CpuReading)
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
            let busy = now.since(&before)?.total_excluding(&[LOAD_GENERATOR]) / WINDOW.as_secs_f64();
            idle_windows = if busy < IDLE_THRESHOLD { idle_windows + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }
}

impl CpuReading {
    pub(crate) fn since(&self, earlier: &Self) -> Result<CpuUsage> {
        let ticks_per_second = i32::try_from(sysconf(SysconfVar::CLK_TCK)?.context("no clock ticks")?)?;
        Ok(self.since_in(earlier, f64::from(ticks_per_second)))
    }

    /// The usage of a process that was restarted in between counts from its start.
    fn since_in(&self, earlier: &Self, ticks_per_second: f64) -> CpuUsage {
        let used = |(name, now): (&&'static str, &u64)| {
            let before = earlier.0.get(name).filter(|before| *before <= now).unwrap_or(&0);
            let ticks = u32::try_from(now - before).unwrap_or(u32::MAX);
            (*name, f64::from(ticks) / ticks_per_second)
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

/// The sum of utime and stime. The second field, the program's name in parentheses, may contain spaces and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The state is field 3; utime and stime are fields 14 and 15.
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_parsed_whatever_the_program_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 20 0 1 0 100";
        assert_eq!(ticks(&format!("42 (mongod) {rest}")), Some(300));
        assert_eq!(ticks(&format!("42 (a) 1 2 (b c) {rest}")), Some(300));
        assert_eq!(ticks("42 (short) S 1 2"), None);
    }

    #[test]
    fn usage_is_the_difference_of_snapshots_or_counts_from_a_restart() {
        let reading = |pairs: &[(&'static str, u64)]| CpuReading(pairs.iter().copied().collect());
        let before = reading(&[("orders", 100), ("web", 500)]);
        let used = reading(&[("orders", 350), ("web", 30), ("mongod", 10)]).since_in(&before, 100.0);
        let shown = ["orders", "web", "mongod", "nobody"].map(|name| format!("{:.2}", used.of(name)));
        assert_eq!(shown, ["2.50", "0.30", "0.10", "0.00"]);
        assert!((used.total_excluding(&["orders"]) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn own_cpu_usage_is_measured() {
        let processes = Processes::new(Vec::new());
        let before = processes.read().unwrap();
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(ticks("1 (spin) S"));
        }
        assert!(processes.read().unwrap().since(&before).unwrap().of(LOAD_GENERATOR) > 0.0);
    }
}
