//! Whoever is woken by an alert finds what to do: each alert has an entry in the runbook, each
//! entry an alert, and the alert's link leads to its entry.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lint_infra::objects::{Objects, list, text};

/// What differs between the alerts and the runbook's headings.
pub(in crate::lint_infra) fn check(objects: &Objects, runbook: &str) -> Vec<String> {
    let entries: BTreeSet<_> = runbook.lines().filter_map(entry).collect();
    let groups = objects.of("PrometheusRule").flat_map(|rule| list(rule, "/spec/groups"));
    let alerts: Vec<_> =
        groups.flat_map(|group| list(group, "/rules")).filter(|rule| rule.get("alert").is_some()).collect();
    let mut problems = Vec::new();
    for rule in &alerts {
        let (alert, link) = (text(rule, "/alert"), text(rule, "/annotations/runbook_url"));
        if !entries.contains(alert) {
            problems.push(format!("alert {alert} has no entry in docs/runbook.md; add a heading with its name"));
        }
        if !link.ends_with(&format!("docs/runbook.md#{}", alert.to_lowercase())) {
            let anchor = alert.to_lowercase();
            problems.push(format!("alert {alert}: its runbook_url '{link}' must lead to docs/runbook.md#{anchor}"));
        }
    }
    let is_alert = |entry: &str| alerts.iter().any(|rule: &&Value| text(rule, "/alert") == entry);
    let stale = entries.iter().filter(|entry| !is_alert(entry));
    problems.extend(
        stale.map(|entry| format!("docs/runbook.md has an entry {entry}, but there is no such alert; take it out")),
    );
    problems
}

/// The alert that a heading is about: a single word with capitals inside, as alerts are named.
fn entry(line: &str) -> Option<&str> {
    let heading = line.trim_start_matches('#');
    let word = heading.trim().trim_matches('`');
    let is_name = word.starts_with(char::is_uppercase)
        && word.chars().all(char::is_alphanumeric)
        && word.contains(char::is_lowercase)
        && word.chars().filter(|c| c.is_uppercase()).count() > 1;
    (heading.len() < line.len() && is_name).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::check;

    const RUNBOOK: &str = "# Runbook\n\n## Sales\n\n### `HoldPastItsTime`\n\nIt means…\n\n## OutboxOld\n";

    const GOOD: &str = "
kind: PrometheusRule
metadata: {name: fleet}
spec:
  groups:
    - rules:
        - {alert: OutboxOld, annotations: {runbook_url: docs/runbook.md#outboxold}}
        - {record: a:b}
    - rules:
        - {alert: HoldPastItsTime, annotations: {runbook_url: 'https://x.example/docs/runbook.md#holdpastitstime'}}
";

    #[test]
    fn alerts_and_entries_are_the_same() {
        proves(
            |objects| check(objects, RUNBOOK),
            GOOD,
            &[
                ("alert: OutboxOld", "alert: OutboxOlder", "alert OutboxOlder has no entry in docs/runbook.md"),
                (
                    "alert: OutboxOld",
                    "alert: OutboxOlder",
                    "docs/runbook.md has an entry OutboxOld, but there is no such",
                ),
                ("#outboxold", "#outbox", "alert OutboxOld: its runbook_url 'docs/runbook.md#outbox' must lead to"),
            ],
        );
    }
}
