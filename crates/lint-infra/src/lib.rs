//! Checks of infra/ that need no cluster.
//!
//! `tools` runs known tools: kubectl's kustomize, JSON schemas, linters, promtool. `rules` checks the
//! rendered objects against each other and against the needs of our programs.
//!
//! # Why
//! checkov and kube-linter do not replace `rules`: they look at one object at a time, and know neither which flows our
//! programs need nor what their settings are called. checkov also brings 291 MB of Python packages.

mod environment;
mod objects;
mod pods;
mod rules;
mod stores;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use testkit::fleet::SERVICES;
use testkit::tools::python::Environment;
use testkit::tools::{search_path, tools_dir};

use self::objects::Objects;
use self::rules::{Images, runbook, settings};
use self::tools::{kustomize, linters, promtool, schemas};

/// The programs that the checks run.
#[derive(Debug)]
pub struct Programs<'a> {
    /// The packages of infra/dev/requirements-infra.txt.
    pub python: &'a Environment,
    /// Prometheus' tool, which has no Python package.
    pub promtool: &'a Path,
    /// The folder of the built services and of fakestripe, whose `--help` lists their settings.
    pub fleet: &'a Path,
}

/// Finds promtool on PATH, or in `.tools/` unpacked from Debian's package prometheus.
pub fn find_promtool() -> Option<PathBuf> {
    let unpacked = tools_dir().join("debian-prometheus/usr/bin/promtool");
    search_path("promtool").or_else(|| unpacked.is_file().then_some(unpacked))
}

/// All problems of infra/ in the checkout at `root`. `schemas` is the folder with the schemas of kinds
/// that are not part of Kubernetes.
pub fn check(root: &Path, programs: &Programs<'_>, schemas: Option<&Path>) -> Result<Vec<String>> {
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"));
    let skaffold = Objects::parse(&read("skaffold.yaml")?)?;
    let (mut overlays, mut problems) = kustomize::render_all(programs.python, &root.join("infra"))?;
    let own_schemas = root.join("infra/dev/schemas");
    problems.extend(schemas::check(programs.python, &overlays, &skaffold, &own_schemas, schemas)?);
    problems.extend(linters::check(programs.python, root)?);

    let images = Images { programs: read_settings(programs.fleet)?, names: rules::images(&skaffold) };
    // Before the rules: settings and flows may depend on secrets that only a store contains.
    stores::fill(&mut overlays);
    for overlay in &overlays {
        let found = rules::check(&overlay.objects, &images);
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", overlay.name)));
    }
    // The alerts are the same in all overlays.
    match overlays.iter().find(|overlay| overlay.objects.of("PrometheusRule").next().is_some()) {
        Some(overlay) => {
            problems.extend(runbook::check(&overlay.objects, &read("docs/runbook.md")?));
            let tests = root.join("infra/monitoring/tests");
            problems.extend(promtool::check(programs.promtool, &overlay.objects, &tests)?);
        }
        None => problems.push("no overlay includes the alert rules of infra/monitoring; add them to one".to_owned()),
    }
    Ok(problems)
}

/// Reads the settings of each program from its `--help`.
fn read_settings(fleet: &Path) -> Result<settings::Programs> {
    let settings_of = |name: &str| {
        let program = fleet.join(name);
        // Clear the environment, since the help shows the values of variables that are set.
        let help = Command::new(&program).arg("--help").env_clear().stdin(Stdio::null()).output();
        let help = help.with_context(|| format!("{} does not run; build the services first", program.display()))?;
        let settings = settings::parse_help(&String::from_utf8_lossy(&help.stdout));
        if settings.is_empty() {
            bail!("{} --help lists no settings", program.display());
        }
        Ok((name.to_owned(), settings))
    };
    SERVICES.into_iter().chain(["fakestripe"]).map(settings_of).collect()
}
