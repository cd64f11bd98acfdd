//! The timeline of a chaos run: faults, recoveries and findings, in memory and in a file.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::clock::{Clock as _, SystemClock};
use serde_json::json;
use tokio::time::Instant;

/// The timeline of a run.
#[derive(Debug)]
pub(super) struct Timeline {
    started: Instant,
    records: Mutex<Records>,
}

#[derive(Debug)]
struct Records {
    file: File,
    entries: Vec<Entry>,
    findings: Vec<String>,
}

/// An entry of the timeline.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The time since the start of the run.
    pub after: Duration,
    /// What happened.
    pub text: String,
}

impl Timeline {
    /// Starts a timeline, which is also written to this file, one line of JSON for each entry.
    pub(super) fn start(file: &Path) -> Result<Self> {
        let created = File::create(file).with_context(|| format!("creating {}", file.display()))?;
        let records = Mutex::new(Records { file: created, entries: Vec::new(), findings: Vec::new() });
        Ok(Self { started: Instant::now(), records })
    }

    /// When the run started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Adds an entry.
    pub(super) fn record(&self, text: impl Into<String>) {
        let (after, text) = (self.started.elapsed(), text.into());
        let line = json!({ "at": SystemClock.now().to_string(), "after": after.as_secs_f64(), "event": text });
        let mut records = self.records();
        // A failed write is ignored, because the report uses the entries in memory.
        let _ = writeln!(records.file, "{line}");
        records.entries.push(Entry { after, text });
    }

    /// Adds a finding: something that must not happen under any fault.
    pub(super) fn record_finding(&self, text: impl Into<String>) {
        let text = text.into();
        self.record(format!("finding: {text}"));
        self.records().findings.push(text);
    }

    /// All entries and findings so far.
    pub(super) fn contents(&self) -> (Vec<Entry>, Vec<String>) {
        let records = self.records();
        (records.entries.clone(), records.findings.clone())
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
