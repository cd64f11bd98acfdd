//! Checks that no secret is among the arguments of a process, where everybody on the node can read it: not in the
//! command of a container, a probe or a hook, nor in a script that a `ConfigMap` contains.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Context;
use crate::environment::content;
use crate::objects::{each, text};

/// Where a container has commands.
const COMMANDS: [&str; 7] = [
    "/command/*",
    "/args/*",
    "/startupProbe/exec/command/*",
    "/readinessProbe/exec/command/*",
    "/livenessProbe/exec/command/*",
    "/lifecycle/postStart/exec/command/*",
    "/lifecycle/preStop/exec/command/*",
];

/// Options of the servers and their clients whose value is a password.
const PASSWORD_OPTIONS: [&str; 5] = ["--masterauth", "--pass", "--passphrase", "--password", "--requirepass"];

const REMEDY: &str = "pass it by an environment variable, a file or standard input";

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in &context.pods {
        for container in pod.containers() {
            let name = text(container, "/name");
            let secrets = secrets(container, context);
            for pattern in COMMANDS {
                let words: Vec<_> = each(container, pattern).into_iter().filter_map(Value::as_str).collect();
                let command = words.join(" ");
                let found = references(&command).find(|name| secrets.contains(name)).map(|name| format!("$({name})"));
                problems.extend(found.or_else(|| password_in(&command)).map(|what| {
                    pod.problem(format!("container {name}: {what} makes a secret an argument of a process; {REMEDY}"))
                }));
            }
        }
        for (map, script) in context.mounted_files(pod) {
            problems.extend(password_in(&script).map(|what| {
                pod.problem(format!("ConfigMap {map}: {what} makes a secret an argument of a process; {REMEDY}"))
            }));
        }
    }
    problems
}

/// Finds the variables of a container that are secret or contain a secret. If the container has all variables of a
/// Secret, each variable that nothing else defines counts as secret.
fn secrets<'a>(container: &'a Value, context: &Context<'_>) -> Secrets<'a> {
    let (mut secret, mut known) = (BTreeSet::<&str>::new(), BTreeSet::<String>::new());
    for map in each(container, "/envFrom/*/configMapRef/name").into_iter().filter_map(Value::as_str) {
        known.extend(content(context.objects, "ConfigMap", map).unwrap_or_default().keys.into_keys());
    }
    for variable in each(container, "/env/*") {
        let name = text(variable, "/name");
        let has_secret = references(text(variable, "/value")).any(|name| secret.contains(name));
        if has_secret || variable.pointer("/valueFrom/secretKeyRef").is_some() {
            secret.insert(name);
        } else {
            known.insert(name.to_owned());
        }
    }
    let has_whole_secret = !each(container, "/envFrom/*/secretRef/name").is_empty();
    Secrets { secret, known, has_whole_secret }
}

/// The secret variables of a container.
struct Secrets<'a> {
    secret: BTreeSet<&'a str>,
    /// The variables that are not secret.
    known: BTreeSet<String>,
    /// Whether the container has all variables of a Secret, whatever their names are.
    has_whole_secret: bool,
}

impl Secrets<'_> {
    fn contains(&self, name: &str) -> bool {
        self.secret.contains(name) || (self.has_whole_secret && !self.known.contains(name))
    }
}

/// The variables that a text refers to as `$(NAME)`, which the kubelet replaces.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("$(").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).filter(|name| is_variable(name))
}

/// Whether this is the name of a variable rather than a command in a shell's `$(…)`.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The first option of a command line or a script that takes a password, such as `--password` or `redis-cli`'s `-a`.
fn password_in(text: &str) -> Option<String> {
    // A line that begins with one slash is a command, not a comment.
    let is_comment = |line: &&str| ["#", "//"].iter().any(|mark| line.trim_start().starts_with(mark));
    let code: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
    // A backslash continues a command on the next line.
    let code = code.join("\n").replace("\\\n", " ");
    code.lines().find_map(|line| {
        let runs = |program: &str| line.split_whitespace().any(|word| word.ends_with(program));
        let (is_redis_cli, is_mongosh) = (runs("redis-cli"), runs("mongosh"));
        let mut words = line.split_whitespace();
        let found = words.find(|word| {
            let option = word.split('=').next().unwrap_or_default();
            PASSWORD_OPTIONS.contains(&option) || (is_redis_cli && *word == "-a") || (is_mongosh && *word == "-p")
        });
        found.map(ToOwned::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::check;

    const GOOD: &str = "
kind: Deployment
metadata: {name: redis}
spec:
  template:
    spec:
      initContainers:
        - name: first
          command: [sh, -c, 'echo $(date) $(PLAIN)']
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: passwords}}]
      containers:
        - name: redis
          args: [--save, '$(LOG)']
          env:
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: passwords, key: PASSWORD}}}
            - {name: URL, value: 'redis://:$(PASSWORD)@redis'}
            - {name: LOG, value: info}
          livenessProbe: {exec: {command: [redis-cli, ping]}}
      volumes: [{name: scripts, configMap: {name: scripts}}]
---
kind: ConfigMap
metadata: {name: settings}
data: {PLAIN: text}
---
kind: ConfigMap
metadata: {name: scripts}
data:
  start.sh: |
    # Not --password.
    redis-cli --tls ping
";

    #[test]
    fn secrets_in_arguments_are_reported() {
        assert_each_mutation_is_reported(
            check,
            &Images::default(),
            GOOD,
            &[
                (
                    "'$(LOG)'",
                    "'$(PASSWORD)'",
                    "Deployment redis: container redis: $(PASSWORD) makes a secret an argument",
                ),
                ("'$(LOG)'", "'--to=$(URL)'", "container redis: $(URL) makes a secret"),
                ("$(PLAIN)", "$(OTHER)", "container first: $(OTHER) makes a secret"),
                ("[--save, ", "[--requirepass, x, ", "container redis: --requirepass makes"),
                ("[redis-cli, ping]", "[sh, -c, 'redis-cli -a \"$PASSWORD\" ping']", "container redis: -a makes"),
                ("--tls ping", "--pass=$PASSWORD ping", "ConfigMap scripts: --pass=$PASSWORD makes"),
                ("redis-cli --tls", "/usr/bin/redis-cli -a $PASSWORD", "ConfigMap scripts: -a makes"),
                ("--tls ping", "\\\n      -a $PASSWORD ping", "ConfigMap scripts: -a makes"),
                ("redis-cli --tls ping", "mongosh -u root -p $PASSWORD", "ConfigMap scripts: -p makes"),
            ],
        );
    }
}
