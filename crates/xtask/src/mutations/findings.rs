//! Reads the findings from the timeline of a chaos run.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// The prefix of the timeline entries that are findings.
const PREFIX: &str = "finding: ";

/// The findings of a run by name: the part of their text before the first `: `. For the violation of an invariant, that
/// is the number and the name of the invariant, such as `9 replicas`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Findings(BTreeMap<String, Found>);

/// The findings with one name.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    count: usize,
    /// The time of the first one, in seconds since the start of the run.
    after: f64,
}

impl Findings {
    /// Reads a timeline: one JSON object in each line.
    pub(super) fn read(timeline: &str) -> Result<Self> {
        let mut all = Self::default();
        for line in timeline.lines() {
            let entry: Value = serde_json::from_str(line).context("reading the timeline")?;
            let after = entry.get("after").and_then(Value::as_f64).context("an entry of the timeline has no time")?;
            let event = entry.get("event").and_then(Value::as_str).unwrap_or_default();
            if let Some(text) = event.strip_prefix(PREFIX) {
                let name = text.split_once(": ").map_or(text, |(name, _)| name);
                let found = all.0.entry(name.to_owned()).or_insert(Found { count: 0, after });
                found.count += 1;
            }
        }
        Ok(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time of the first finding about one of these invariants, in seconds since the start of the run.
    pub(super) fn first_of(&self, invariants: &[&str]) -> Option<f64> {
        let times = invariants.iter().filter_map(|name| self.0.get(*name)).map(|found| found.after);
        times.min_by(f64::total_cmp)
    }

    /// The names of all findings, each with the number of findings: `5 ticket-status (3), 9 replicas (12)`.
    pub(super) fn summary(&self) -> String {
        let all: Vec<_> = self.0.iter().map(|(name, found)| format!("{name} ({})", found.count)).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_counted_by_invariant() {
        let timeline = concat!(
            r#"{"at":"2026-01-01T00:00:00Z","after":3.5,"event":"kill orders-1, for 2s"}"#,
            "\n",
            r#"{"at":"2026-01-01T00:02:00Z","after":120.5,"event":"finding: 9 replicas: web lacks order o"}"#,
            "\n",
            r#"{"at":"2026-01-01T00:02:01Z","after":121.0,"event":"finding: 9 replicas: web lacks order p"}"#,
            "\n",
            r#"{"at":"2026-01-01T00:02:02Z","after":122.0,"event":"finding: 5 ticket-status: ticket t"}"#,
        );
        let findings = Findings::read(timeline).unwrap();
        assert!(!findings.is_empty());
        assert_eq!(findings.summary(), "5 ticket-status (1), 9 replicas (2)");
        assert_eq!(findings.first_of(&["9 replicas", "5 ticket-status"]), Some(120.5));
        assert_eq!(findings.first_of(&["8 one-event"]), None);
    }

    #[test]
    fn timeline_without_findings_is_empty_and_a_damaged_one_is_an_error() {
        let findings = Findings::read(r#"{"after":120.0,"event":"the faults end"}"#).unwrap();
        assert!(findings.is_empty());
        assert_eq!(findings.summary(), "nothing");
        assert!(Findings::read("damaged").is_err());
    }
}
