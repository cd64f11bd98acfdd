//! Each service of ours is told what it must be told, and nothing that it does not know; and a pod
//! has the time to end as the service means to. What a service can be told is what its own
//! `--help` says, so that no list is kept here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lint_infra::environment::{Known, variables};
use crate::lint_infra::objects::{Objects, list, text};
use crate::lint_infra::pods::{Pod, pods};

/// Variables that the runtime below a service reads, which its help does not name.
const RUNTIME: [&str; 2] = ["RUST_BACKTRACE", "TOKIO_WORKER_THREADS"];

/// What the cluster itself gives a pod to end, unless told.
const DEFAULT_GRACE: u64 = 30;

/// The settings of each program, by the program's name.
pub(in crate::lint_infra) type Programs = BTreeMap<String, BTreeMap<String, Setting>>;

/// One environment variable of a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::lint_infra) struct Setting {
    /// Whether the program refuses to start without it.
    pub(in crate::lint_infra) is_required: bool,
    /// What it is when it is not set.
    pub(in crate::lint_infra) default: Option<String>,
}

/// Reads what a program prints for `--help`: the flags in the usage line are the required ones.
pub(in crate::lint_infra) fn read_help(help: &str) -> BTreeMap<String, Setting> {
    let usage = help.lines().skip_while(|line| !line.starts_with("Usage:")).take_while(|line| !line.is_empty());
    let required: BTreeSet<_> = usage.flat_map(str::split_whitespace).filter(|word| word.starts_with("--")).collect();
    let mut settings = BTreeMap::<String, Setting>::new();
    let (mut flag, mut variable) = ("", None);
    for line in help.lines() {
        let words = line.trim_start().strip_prefix("-h, ").unwrap_or(line).trim_start();
        if words.starts_with("--") {
            flag = words.split_whitespace().next().unwrap_or_default();
            variable = None;
        }
        if let Some(name) = note(line, "env").and_then(|note| note.split('=').next()) {
            settings.insert(name.to_owned(), Setting { is_required: required.contains(flag), default: None });
            variable = Some(name);
        }
        if let (Some(setting), Some(default)) =
            (variable.and_then(|name| settings.get_mut(name)), note(line, "default"))
        {
            setting.default = Some(default.to_owned());
        }
    }
    settings
}

/// The content of clap's `[name: content]`.
fn note<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("[{name}: "))?;
    Some(rest.split_once(']')?.0)
}

/// The variables of a program's container, with the program's own defaults below them.
pub(in crate::lint_infra) fn told(
    container: &Value,
    objects: &Objects,
    settings: &BTreeMap<String, Setting>,
) -> BTreeMap<String, Known> {
    let defaults = settings.iter().filter_map(|(name, setting)| Some((name.clone(), Some(setting.default.clone()?))));
    let mut told: BTreeMap<_, _> = defaults.collect();
    told.extend(variables(container, objects));
    told
}

/// The settings of the program that a container runs, if it is one of ours: known by its image.
pub(in crate::lint_infra) fn of<'a>(
    container: &Value,
    programs: &'a Programs,
) -> Option<(&'a str, &'a BTreeMap<String, Setting>)> {
    let image = text(container, "/image").split(['@']).next().unwrap_or_default();
    let file = image.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let is_ours = image.split('/').rev().nth(1).is_some_and(|folder| folder == "ticketing");
    programs.get_key_value(file).filter(|_| is_ours).map(|(name, settings)| (name.as_str(), settings))
}

/// What a program of ours lacks, does not know, or has no time for.
pub(super) fn check(objects: &Objects, programs: &Programs) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in pods(objects) {
        for container in pod.main_containers() {
            let Some((program, settings)) = of(container, programs) else { continue };
            let mut tell = |what: String| problems.push(format!("{}: {what}", pod.called()));
            let told = variables(container, objects);
            for (name, _) in settings.iter().filter(|(name, setting)| setting.is_required && !told.contains_key(*name))
            {
                tell(format!("{program} does not start without {name}; set it in env or in what envFrom names"));
            }
            for name in told.keys().filter(|name| !settings.contains_key(*name) && !RUNTIME.contains(&name.as_str())) {
                if !is_named_by_another(name, container) {
                    tell(format!("{program} knows no setting {name}; take it out, or correct its name (see --help)"));
                }
            }
            time_to_end(&pod, container, &self::told(container, objects, settings)).into_iter().for_each(&mut tell);
        }
    }
    problems
}

/// Whether the variable is there to be part of another one, by `$(NAME)`.
fn is_named_by_another(name: &str, container: &Value) -> bool {
    let reference = format!("$({name})");
    list(container, "/env").iter().any(|variable| text(variable, "/value").contains(&reference))
}

/// The hook before SIGTERM, the delay after it and the drain must all fit into the grace period.
fn time_to_end(pod: &Pod<'_>, container: &Value, told: &BTreeMap<String, Known>) -> Option<String> {
    let seconds = |name: &str| told.get(name)?.as_deref()?.parse::<jiff::SignedDuration>().ok();
    let hook = container.pointer("/lifecycle/preStop/sleep/seconds").and_then(Value::as_i64).unwrap_or_default();
    let needed = jiff::SignedDuration::from_secs(hook) + seconds("DRAIN_DELAY")? + seconds("SHUTDOWN_GRACE")?;
    let grace = pod.spec.pointer("/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(DEFAULT_GRACE);
    let is_too_short = needed >= jiff::SignedDuration::from_secs(i64::try_from(grace).unwrap_or(i64::MAX));
    is_too_short.then(|| {
        format!(
            "it may take {needed:#} to end (preStop, DRAIN_DELAY and SHUTDOWN_GRACE) and is killed after {grace} s; \
             set a longer terminationGracePeriodSeconds"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::*;

    const HELP: &str = "The orders service.

Usage: orders [OPTIONS] --public-url <PUBLIC_URL> --mongodb-url <MONGODB_URL>

Options:
      --bind <BIND>
          Address of the public HTTP server [env: BIND=] [default: 0.0.0.0:3000]
      --public-url <PUBLIC_URL>
          Where browsers reach the marketplace [env: PUBLIC_URL=]
      --mongodb-url <MONGODB_URL>
          MongoDB connection string [env: MONGODB_URL]
      --drain-delay <DRAIN_DELAY>
          How long requests are still taken [env: DRAIN_DELAY=] [default: 0s]
      --shutdown-grace <SHUTDOWN_GRACE>
          How long requests may take [env: SHUTDOWN_GRACE=] [default: 25s]
  -h, --help
          Print help
";

    const GOOD: &str = "
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 40
      containers:
        - name: main
          image: here:5000/ticketing/orders:1
          lifecycle: {preStop: {sleep: {seconds: 5}}}
          env: [{name: MONGODB_URL, value: 'mongodb://$(HOST)'}, {name: HOST, value: mongodb}]
          envFrom: [{configMapRef: {name: fleet}}]
---
kind: ConfigMap
metadata: {name: fleet}
data: {PUBLIC_URL: 'https://x', DRAIN_DELAY: 5s, RUST_BACKTRACE: '0'}
";

    fn programs() -> Programs {
        BTreeMap::from([("orders".to_owned(), read_help(HELP))])
    }

    #[test]
    fn help_names_the_settings() {
        let settings = read_help(HELP);
        let required: Vec<_> = settings.iter().filter(|(_, one)| one.is_required).map(|(name, _)| name).collect();
        assert_eq!(required, ["MONGODB_URL", "PUBLIC_URL"]);
        assert_eq!(settings["BIND"].default.as_deref(), Some("0.0.0.0:3000"));
        assert_eq!(settings.len(), 5);
    }

    #[test]
    fn programs_are_told_what_they_must_be_told() {
        proves(
            |objects| check(objects, &programs()),
            GOOD,
            &[
                (
                    "PUBLIC_URL:",
                    "PUBLIC_ADDRESS:",
                    "Deployment orders: orders does not start without PUBLIC_URL; set it",
                ),
                ("PUBLIC_URL:", "PUBLIC_ADDRESS:", "orders knows no setting PUBLIC_ADDRESS; take it out"),
                ("{name: MONGODB_URL,", "{name: MONGO_URL,", "does not start without MONGODB_URL"),
                ("kind: ConfigMap", "kind: X", "does not start without PUBLIC_URL"),
                ("seconds: 5", "seconds: 15", "set a longer terminationGracePeriodSeconds"),
                ("DRAIN_DELAY: 5s", "SHUTDOWN_GRACE: 40s", "is killed after 40 s"),
                ("terminationGracePeriodSeconds: 40", "", "is killed after 30 s"),
            ],
        );
    }
}
