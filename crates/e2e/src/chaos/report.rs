//! The result of a chaos run, and its text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::timeline::Entry;
use super::visitors::Journeys;

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed, which repeats the run as far as timing allows.
    pub seed: u64,
    /// The folder of the timeline, the history and, if something was found, the logs.
    pub folder: PathBuf,
    /// The number of injected faults by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// The number of orders.
    pub orders: u64,
    /// How the journeys of visitors ended.
    pub journeys: Journeys,
    /// The number of excused stale reads: just after an election they returned less than their client had read before.
    pub stale_reads: usize,
    /// What must not happen: violated invariants, panics, processes that exited or did not recover, pages and orders
    /// that are still missing, and too few faults, orders or completed journeys.
    pub findings: Vec<String>,
    /// The timeline.
    pub timeline: Vec<Entry>,
}

impl Report {
    /// The number of injected faults.
    pub fn fault_count(&self) -> usize {
        self.faults.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Timeline:")?;
        for entry in &self.timeline {
            writeln!(f, "{:>8.1} s  {}", entry.after.as_secs_f64(), entry.text)?;
        }
        writeln!(f, "\nFaults:")?;
        for (kind, count) in &self.faults {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        writeln!(f, "\nJourneys:")?;
        for (outcome, count) in &self.journeys.outcomes {
            writeln!(f, "{count:>8}  {outcome}")?;
        }
        writeln!(f, "{:>8}  abandoned", self.journeys.abandoned.len())?;
        for reason in &self.journeys.abandoned {
            writeln!(f, "          {reason}")?;
        }
        writeln!(
            f,
            "\nSeed {}: {} faults of {} kinds, {} orders, {} stale reads after elections. Files: {}",
            self.seed,
            self.fault_count(),
            self.faults.len(),
            self.orders,
            self.stale_reads,
            self.folder.display()
        )?;
        if self.findings.is_empty() {
            return writeln!(f, "Nothing broke.");
        }
        writeln!(f, "{} findings:", self.findings.len())?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))
    }
}
