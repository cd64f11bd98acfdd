//! Checks that each alert has an entry in the runbook and links to it, and that each entry has its alert and begins
//! with one command.

use std::collections::BTreeSet;

use crate::objects::{Objects, each, text};

/// The first line of the block with an entry's command.
const BLOCK: &str = "```sh";

/// The differences between alerts and headings of the runbook, and the entries that do not begin with a command.
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
    problems.extend(without_command(runbook).into_iter().map(|entry| {
        format!("docs/runbook.md: the entry {entry} must begin with the one command to look at, in a block of sh")
    }));
    for rule in rules {
        let (alert, link) = (text(rule, "/alert"), text(rule, "/annotations/runbook_url"));
        let target = format!("docs/runbook.md#{}", alert.to_lowercase());
        if !link.ends_with(&target) {
            problems.push(format!("alert {alert}: its runbook_url '{link}' must lead to {target}"));
        }
    }
    problems
}

/// The entries that do not begin with a block of one command.
fn without_command(runbook: &str) -> Vec<&str> {
    let lines: Vec<&str> = runbook.lines().collect();
    let entries = (1..).zip(lines.iter().copied()).filter_map(|(next, line)| Some((entry(line)?, lines.get(next..)?)));
    let wrong = entries.filter(|(_, below)| {
        let mut below = below.iter().copied().skip_while(|line| line.is_empty());
        let is_block = below.next() == Some(BLOCK);
        let commands: Vec<&str> = below.take_while(|line| *line != "```").collect();
        !is_block || !matches!(commands.as_slice(), [command] if !command.trim().is_empty())
    });
    wrong.map(|(entry, _)| entry).collect()
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
    use super::{check, without_command};

    const RUNBOOK: &str = "# Runbook

## Sales

### `HoldOverdue`

```sh
kubectl get pods
```

It means…

## OutboxStalled

```sh
kubectl logs deployment/orders
```
";

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

    #[test]
    fn entries_without_one_command_are_reported() {
        assert_eq!(without_command(RUNBOOK), Vec::<&str>::new());
        for (from, to) in [
            ("```sh\nkubectl get pods\n```\n\nIt means…", "It means…"),
            ("```sh\nkubectl get pods", "```js\nrs.status()"),
            ("kubectl get pods\n", ""),
            ("kubectl get pods\n", "kubectl get pods\nkubectl get nodes\n"),
            ("### `HoldOverdue`\n", "### `HoldOverdue`\n\nIt means…\n"),
        ] {
            assert_eq!(without_command(&RUNBOOK.replacen(from, to, 1)), ["HoldOverdue"], "{to}");
        }
        assert_eq!(without_command("## OutboxStalled"), ["OutboxStalled"]);
    }
}
