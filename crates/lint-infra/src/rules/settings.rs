//! Checks that each of our programs gets every setting that it requires and none that it does not know, and that its
//! pod gets the time that it needs to stop. The settings are read from the `--help` of the programs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Context;
use crate::environment::{Values, variables};
use crate::objects::{at, each, text};
use crate::pods::Pod;

/// Variables of the runtime, which `--help` does not list.
const RUNTIME: [&str; 2] = ["RUST_BACKTRACE", "TOKIO_WORKER_THREADS"];

/// The default of terminationGracePeriodSeconds.
const DEFAULT_GRACE: i64 = 30;

/// The settings of each program, by variable.
pub(crate) type Programs = BTreeMap<String, Settings>;
pub(crate) type Settings = BTreeMap<String, Setting>;

/// An environment variable of a program.
#[derive(Debug, Default)]
pub(crate) struct Setting {
    /// Whether the program fails to start without it.
    pub(crate) is_required: bool,
    pub(crate) default: Option<String>,
}

/// Parses the output of `--help`. The flags of the usage line are the required ones.
pub(crate) fn parse_help(help: &str) -> Settings {
    let usage = help.lines().skip_while(|line| !line.starts_with("Usage:")).take_while(|line| !line.is_empty());
    let required: BTreeSet<_> = usage.flat_map(str::split_whitespace).filter(|word| word.starts_with("--")).collect();
    let mut settings = Settings::new();
    let (mut flag, mut variable) = ("", None);
    for line in help.lines() {
        let words = line.trim_start().trim_start_matches("-h, ");
        if words.starts_with("--") {
            flag = words.split_whitespace().next().unwrap_or_default();
            variable = None;
        }
        if let Some(name) = annotation(line, "env").and_then(|env| env.split('=').next()) {
            settings.insert(name.to_owned(), Setting { is_required: required.contains(flag), default: None });
            variable = Some(name);
        }
        if let Some(setting) = variable.and_then(|name| settings.get_mut(name)) {
            setting.default = annotation(line, "default").map(ToOwned::to_owned).or(setting.default.take());
        }
    }
    settings
}

/// The content of an annotation that clap prints, such as `[default: 5s]`.
fn annotation<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("[{name}: "))?;
    Some(rest.split_once(']')?.0)
}

/// The program of this project that a container runs, judging by its image, with the program's settings.
pub(super) fn program<'a>(container: &Value, context: &Context<'a>) -> Option<(&'a str, &'a Settings)> {
    let image = text(container, "/image").split('@').next()?;
    let (folder, file) = image.rsplit_once('/')?;
    let program = context.images.programs.get_key_value(file.split(':').next()?);
    program.filter(|_| folder.rsplit('/').next() == Some("ticketing")).map(|(name, settings)| (name.as_str(), settings))
}

/// Whether a container runs an image of this project.
pub(super) fn is_ours(container: &Value) -> bool {
    let image = text(container, "/image").split('@').next().unwrap_or_default();
    image.rsplit_once('/').is_some_and(|(folder, _)| folder.rsplit('/').next() == Some("ticketing"))
}

/// The variables of a container, including the defaults of its program.
pub(super) fn effective(container: &Value, context: &Context<'_>) -> Values {
    let settings = program(container, context).into_iter().flat_map(|(_, settings)| settings);
    let defaults = settings.filter_map(|(name, setting)| Some((name.clone(), Some(setting.default.clone()?))));
    defaults.chain(variables(container, context.objects)).collect()
}

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in &context.pods {
        for container in pod.main_containers() {
            let Some((program, settings)) = program(container, context) else { continue };
            let given = variables(container, context.objects);
            let missing = settings.iter().filter(|(name, setting)| setting.is_required && !given.contains_key(*name));
            problems.extend(missing.map(|(name, _)| {
                pod.problem(format!(
                    "{program} does not start without {name}; set it in env or in an object of envFrom"
                ))
            }));
            let unknown = given.keys().filter(|name| {
                let is_known = settings.contains_key(*name) || RUNTIME.contains(&name.as_str());
                !is_known && !is_expanded(name, container)
            });
            problems.extend(unknown.map(|name| {
                pod.problem(format!("{program} has no setting {name}; remove it, or correct its name (see --help)"))
            }));
            problems.extend(short_grace(pod, container, &effective(container, context)));
        }
    }
    problems
}

/// Whether the value of another variable refers to this one as `$(NAME)`.
fn is_expanded(name: &str, container: &Value) -> bool {
    let reference = format!("$({name})");
    each(container, "/env/*").into_iter().any(|variable| text(variable, "/value").contains(&reference))
}

/// The preStop hook, the drain delay and the shutdown must fit into the grace period.
fn short_grace(pod: &Pod<'_>, container: &Value, variables: &Values) -> Option<String> {
    let duration = |name: &str| variables.get(name)?.as_deref()?.parse::<jiff::SignedDuration>().ok();
    let hook = at(container, "/lifecycle/preStop/sleep/seconds").as_i64().unwrap_or_default();
    let needed = jiff::SignedDuration::from_secs(hook) + duration("DRAIN_DELAY")? + duration("SHUTDOWN_GRACE")?;
    let grace = at(pod.spec, "/terminationGracePeriodSeconds").as_i64().unwrap_or(DEFAULT_GRACE);
    (needed >= jiff::SignedDuration::from_secs(grace)).then(|| {
        pod.problem(format!(
            "it may take {needed:#} to stop (preStop, DRAIN_DELAY and SHUTDOWN_GRACE) and is killed after {grace} s; \
             set a longer terminationGracePeriodSeconds"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
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

    #[test]
    fn settings_are_parsed_from_help() {
        let settings = parse_help(HELP);
        let required: Vec<_> = settings.iter().filter(|(_, one)| one.is_required).map(|(name, _)| name).collect();
        assert_eq!(required, ["MONGODB_URL", "PUBLIC_URL"]);
        assert_eq!(settings["BIND"].default.as_deref(), Some("0.0.0.0:3000"));
        assert_eq!(settings.len(), 5);
    }

    #[test]
    fn wrong_settings_and_short_grace_periods_are_reported() {
        let programs = BTreeMap::from([("orders".to_owned(), parse_help(HELP))]);
        assert_each_mutation_is_reported(
            check,
            &Images { programs, ..Images::default() },
            GOOD,
            &[
                (
                    "PUBLIC_URL:",
                    "PUBLIC_ADDRESS:",
                    "Deployment orders: orders does not start without PUBLIC_URL; set it",
                ),
                ("PUBLIC_URL:", "PUBLIC_ADDRESS:", "orders has no setting PUBLIC_ADDRESS; remove it"),
                ("{name: MONGODB_URL,", "{name: MONGO_URL,", "does not start without MONGODB_URL"),
                ("kind: ConfigMap", "kind: X", "does not start without PUBLIC_URL"),
                ("seconds: 5", "seconds: 15", "set a longer terminationGracePeriodSeconds"),
                ("DRAIN_DELAY: 5s", "SHUTDOWN_GRACE: 40s", "is killed after 40 s"),
                ("terminationGracePeriodSeconds: 40", "", "is killed after 30 s"),
            ],
        );
    }

    #[test]
    fn images_of_this_project_are_recognised() {
        for (image, expected) in [
            ("ticketing/ticketctl", true),
            ("registry.example.com/ticketing/ticketctl:v1@sha256:00", true),
            ("nats:2.15.1", false),
            ("other/ticketctl", false),
        ] {
            assert_eq!(is_ours(&serde_json::json!({ "image": image })), expected, "{image}");
        }
    }
}
