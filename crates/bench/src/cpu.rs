//! What each process used of the CPUs, from `/proc/<pid>/stat`, and what it holds of memory.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::{SysconfVar, sysconf};

/// Our own process among the others.
pub(crate) const LOAD_GENERATOR: &str = "load generator";

/// How often the CPUs are looked at while something comes to rest.
const WINDOW: Duration = Duration::from_millis(500);
/// A fleet that does nothing uses less than this part of one CPU.
const QUIET: f64 = 0.12;
/// How long it may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(180);

/// The processes of a fleet, by the names of the table.
#[derive(Debug, Clone)]
pub(crate) struct Processes(Vec<(String, u32)>);

/// Clock ticks that each process has used since its start.
#[derive(Debug, Clone)]
pub(crate) struct Reading(BTreeMap<String, u64>);

/// CPU-seconds that each process used between two readings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used(BTreeMap<String, f64>);

impl Processes {
    /// These, and our own.
    pub(crate) fn new(mut all: Vec<(String, u32)>) -> Self {
        all.push((LOAD_GENERATOR.to_owned(), std::process::id()));
        Self(all)
    }

    pub(crate) fn read(&self) -> Result<Reading> {
        let ticks = |(name, pid): &(String, u32)| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("reading {name}"))?;
            Ok((name.clone(), ticks(&stat).with_context(|| format!("/proc/{pid}/stat of {name}"))?))
        };
        self.0.iter().map(ticks).collect::<Result<_>>().map(Reading)
    }

    /// Waits until the fleet has done what follows from the requests so far.
    pub(crate) async fn wait_until_idle(&self) -> Result<()> {
        let began = tokio::time::Instant::now();
        let mut before = self.read()?;
        let mut quiet = 0;
        while quiet < 2 {
            if began.elapsed() > PATIENCE {
                bail!("the fleet does not come to rest");
            }
            tokio::time::sleep(WINDOW).await;
            let now = self.read()?;
            let busy = now.since(&before)?.total_but(&[LOAD_GENERATOR]) / WINDOW.as_secs_f64();
            quiet = if busy < QUIET { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }
}

impl Reading {
    pub(crate) fn since(&self, earlier: &Self) -> Result<Used> {
        let a_second = i32::try_from(sysconf(SysconfVar::CLK_TCK)?.context("no clock ticks")?)?;
        Ok(self.since_in(earlier, f64::from(a_second)))
    }

    /// A process that was started again in between counts from its start.
    fn since_in(&self, earlier: &Self, a_second: f64) -> Used {
        let used = |(name, now): (&String, &u64)| {
            let before = earlier.0.get(name).filter(|before| *before <= now).unwrap_or(&0);
            let ticks = u32::try_from(now - before).unwrap_or(u32::MAX);
            (name.clone(), f64::from(ticks) / a_second)
        };
        Used(self.0.iter().map(used).collect())
    }
}

impl Used {
    #[cfg(test)]
    pub(crate) fn new(all: impl IntoIterator<Item = (String, f64)>) -> Self {
        Self(all.into_iter().collect())
    }

    /// Of one process.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Of all but these.
    pub(crate) fn total_but(&self, left_out: &[&str]) -> f64 {
        self.0.iter().filter(|(name, _)| !left_out.contains(&name.as_str())).map(|(_, used)| used).sum()
    }
}

/// utime and stime. The second field, the program's name in brackets, may hold blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The state is field 3; utime and stime are fields 14 and 15.
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    resident_in(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_program_is_called() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 20 0 1 0 100";
        assert_eq!(ticks(&format!("42 (mongod) {rest}")), Some(300));
        assert_eq!(ticks(&format!("42 (a) 1 2 (b c) {rest}")), Some(300));
        assert_eq!(ticks("42 (short) S 1 2"), None);
    }

    #[test]
    fn use_is_the_difference_and_a_restart_begins_at_zero() {
        let reading = |pairs: &[(&str, u64)]| Reading(pairs.iter().map(|(n, t)| ((*n).to_owned(), *t)).collect());
        let before = reading(&[("orders", 100), ("web", 500)]);
        let used = reading(&[("orders", 350), ("web", 30), ("mongod", 10)]).since_in(&before, 100.0);
        let shown = ["orders", "web", "mongod", "nobody"].map(|name| format!("{:.2}", used.of(name)));
        assert_eq!(shown, ["2.50", "0.30", "0.10", "0.00"]);
        assert!((used.total_but(&["orders"]) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn our_own_work_is_seen() {
        let processes = Processes::new(Vec::new());
        let before = processes.read().unwrap();
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(ticks("1 (spin) S"));
        }
        assert!(processes.read().unwrap().since(&before).unwrap().of(LOAD_GENERATOR) > 0.0);
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_in("Name:\tweb\nVmRSS:\t    8124 kB\nThreads:\t3\n"), Some(8124 * 1024));
        assert_eq!(resident_in("Name:\tweb\n"), None);
    }
}
