//! Prometheus' own tool checks the alert rules and runs their tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::servers::scratch::ScratchDir;
use testkit::tools::{progress, search_path, tools_dir};

use super::complaint;
use crate::apt;
use crate::lint_infra::objects::{Objects, list};

/// The name by which tests call the rules.
const RULES: &str = "rules.yaml";

/// The one on PATH, or the one out of Debian's package, unpacked into `.tools/`.
pub(in crate::lint_infra) async fn find_or_install() -> Result<PathBuf> {
    let unpacked = tools_dir().join("debian-prometheus/usr/bin/promtool");
    if let Some(found) = search_path("promtool").or_else(|| unpacked.is_file().then(|| unpacked.clone())) {
        return Ok(found);
    }
    let remedy = "put it on PATH (it comes with Prometheus; Debian: apt-get install prometheus), and run this again";
    if search_path("apt-get").is_none() || search_path("dpkg-deb").is_none() {
        bail!("promtool is not on PATH; {remedy}");
    }
    progress("Installing", "promtool out of Debian's package prometheus, into .tools/");
    apt::unpack("prometheus")
        .await
        .with_context(|| format!("promtool is not on PATH and could not be unpacked; {remedy}"))?;
    Ok(unpacked)
}

/// What is wrong with the rules of these objects, and which of the tests in the folder fail.
/// A test names the rules as `rules.yaml`, since Prometheus can't read an object of Kubernetes'.
pub(in crate::lint_infra) fn check(promtool: &Path, objects: &Objects, tests: &Path) -> Result<Vec<String>> {
    let groups: Vec<&Value> = objects.of("PrometheusRule").flat_map(|rule| list(rule, "/spec/groups")).collect();
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = ScratchDir::new("lint-promtool")?;
    fs::write(scratch.path().join(RULES), json!({ "groups": groups }).to_string())?;
    let mut problems = Vec::new();
    let mut rules = Command::new(promtool);
    rules.args(["check", "rules", RULES]).current_dir(scratch.path());
    problems.extend(complaint(&mut rules)?.map(|text| format!("promtool check rules: {text}")));

    let mut names = Vec::new();
    for entry in fs::read_dir(tests).with_context(|| format!("reading {}", tests.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|ext| ext == "yaml")) {
            fs::copy(&path, scratch.path().join(name))?;
            names.push(name.to_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        problems.push(format!("{} has no tests of the alert rules; add some", tests.display()));
        return Ok(problems);
    }
    // Each on a processor of its own, as far as there are some.
    let results = std::thread::scope(|scope| {
        let run = |name| {
            let mut test = Command::new(promtool);
            test.args(["test", "rules"]).arg(name).current_dir(scratch.path());
            scope.spawn(move || complaint(&mut test))
        };
        let running: Vec<_> = names.iter().map(run).collect();
        running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| bail!("promtool was not waited for")))
            .collect::<Vec<_>>()
    });
    for result in results {
        problems.extend(result?.map(|text| format!("promtool test rules: {text}")));
    }
    Ok(problems)
}
