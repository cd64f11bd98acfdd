//! promtool, Prometheus' own tool, checks the alert rules and runs their tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testkit::servers::scratch::ScratchDir;

use super::failure_output;
use crate::objects::{Objects, each};

/// The file by which tests refer to the rules, since promtool can't read Kubernetes objects.
const RULES: &str = "rules.yaml";

/// Checks the rules of these objects and runs the tests in a folder.
pub(crate) fn check(promtool: &Path, objects: &Objects, tests: &Path) -> Result<Vec<String>> {
    let groups: Vec<&Value> = objects.of("PrometheusRule").flat_map(|object| each(object, "/spec/groups/*")).collect();
    let scratch = ScratchDir::new("lint-promtool")?;
    fs::write(scratch.path().join(RULES), json!({ "groups": groups }).to_string())?;
    let mut runs = vec![("check", RULES.into())];
    for entry in fs::read_dir(tests).with_context(|| format!("reading {}", tests.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|ext| ext == "yaml")) {
            fs::copy(&path, scratch.path().join(name))?;
            runs.push(("test", name.to_owned()));
        }
    }
    if runs.len() == 1 {
        return Ok(vec![format!("{} has no tests of the alert rules; add some", tests.display())]);
    }
    runs.sort();
    let run = |(verb, file)| {
        let mut command = Command::new(promtool);
        let output = failure_output(command.args([verb, "rules"]).arg(file).current_dir(scratch.path()))?;
        Ok(output.map(|text| format!("promtool {verb} rules: {text}")))
    };
    // Concurrently, since each test takes seconds.
    let results: Vec<Result<_>> = std::thread::scope(|scope| {
        let running: Vec<_> = runs.into_iter().map(|one| scope.spawn(|| run(one))).collect();
        let join =
            |one: std::thread::ScopedJoinHandle<'_, _>| one.join().unwrap_or_else(|_| bail!("a thread panicked"));
        running.into_iter().map(join).collect()
    });
    results.into_iter().filter_map(Result::transpose).collect()
}
