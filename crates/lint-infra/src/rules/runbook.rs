//! Checks that each alert has an entry in the runbook and links to it, and that each entry has its alert.

use std::collections::BTreeSet;

use crate::objects::{Objects, each, text};

/// The differences between alerts and headings of the runbook.
pub(crate) fn check(objects: &Objects, runbook: &str) -> Vec<String> {
    let entries: BTreeSet<_> = runbook.lines().filter_map(entry).collect();
    let mut rules: Vec<_> =
        objects.of("PrometheusRule").flat_map(|object| each(object, "/spec/groups/*/rules/*")).collect();
    rules.retain(|rule| rule.get("alert").is_some());
    let alerts: BTreeSet<_> = rules.iter().map(|rule| text(rule, "/alert")).collect();
    let mut problems = Vec::new();
    for alert in alerts.difference(&entries) {
        problems.push(format!("alert {alert} has no entry in docs/runbook.md; add a heading with its name"));
    }
    for entry in entries.difference(&alerts) {
        problems.push(format!("docs/runbook.md has an entry {entry}, but there is no such alert; remove it"));
    }
    for rule in rules {
        let (alert, link) = (text(rule, "/alert"), text(rule, "/annotations/runbook_url"));
        let target = format!("docs/runbook.md#{}", alert.to_lowercase());
        if !link.ends_with(&target) {
            problems.push(format!("alert {alert}: its runbook_url '{link}' must lead to {target}"));
        }
    }
    problems
}

/// The alert that a heading is for: one word with capitals inside.
fn entry(line: &str) -> Option<&str> {
    let word = line.strip_prefix('#')?.trim_start_matches('#').trim().trim_matches('`');
    let is_name = word.starts_with(char::is_uppercase)
        && word.chars().all(char::is_alphanumeric)
        && word.contains(char::is_lowercase)
        && word.chars().filter(|c| c.is_uppercase()).count() > 1;
    is_name.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::super::{Context, Images};
    use super::check;

    const RUNBOOK: &str = "# Runbook\n\n## Sales\n\n### `HoldOverdue`\n\nIt means…\n\n## OutboxStalled\n";

    const GOOD: &str = "
kind: PrometheusRule
metadata: {name: fleet}
spec:
  groups:
    - rules:
        - {alert: OutboxStalled, annotations: {runbook_url: docs/runbook.md#outboxstalled}}
        - {record: a:b}
    - rules:
        - {alert: HoldOverdue, annotations: {runbook_url: 'https://x.example/docs/runbook.md#holdoverdue'}}
";

    #[test]
    fn differences_between_alerts_and_entries_are_reported() {
        assert_each_mutation_is_reported(
            |context: &Context<'_>| check(context.objects, RUNBOOK),
            &Images::default(),
            GOOD,
            &[
                ("alert: OutboxStalled", "alert: OutboxOlder", "alert OutboxOlder has no entry in docs/runbook.md"),
                (
                    "alert: OutboxStalled",
                    "alert: OutboxOlder",
                    "docs/runbook.md has an entry OutboxStalled, but there is no such",
                ),
                (
                    "#outboxstalled",
                    "#outbox",
                    "alert OutboxStalled: its runbook_url 'docs/runbook.md#outbox' must lead to",
                ),
            ],
        );
    }
}
