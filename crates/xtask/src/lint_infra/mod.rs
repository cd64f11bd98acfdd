//! `cargo xtask lint-infra`: everything about infra/ that can be known without a cluster.
//!
//! `tools` runs what others wrote over the files that are theirs: kubectl's kustomize, schemas, the
//! linters, promtool; and the unit tests of our own programs there. `rules` holds the rendered objects
//! against what this fleet needs.

mod environment;
mod objects;
mod pods;
mod rules;
mod stores;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use testkit::fleet::SERVICES;
use testkit::tools::{progress, workspace_root};

use self::objects::Objects;
use self::rules::{Known, runbook, settings, workloads};
use self::tools::kustomize::{self, Overlay};
use self::tools::{Toolbox, files, linters, promtool, schemas, unit_tests};
use crate::cargo::build_fleet;
use crate::secrets;

/// Builds the services, whose `--help` says what they must be told, and checks.
pub(crate) async fn run() -> Result<()> {
    build_fleet(false).await?;
    check().await
}

/// Checks; the services are built. Every problem is told, not only the first.
pub(crate) async fn check() -> Result<()> {
    let toolbox = Toolbox::find_or_install().await?;
    // The dev overlay takes them in.
    secrets::ensure_development()?;
    progress("Checking", "infra/");
    let schemas = std::env::var_os("SCHEMAS_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
    let problems = tokio::task::spawn_blocking(move || problems(&toolbox, schemas.as_deref())).await??;
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}\n");
    }
    bail!("infra/ has {} problems", problems.len());
}

fn problems(toolbox: &Toolbox, schemas: Option<&Path>) -> Result<Vec<String>> {
    let root = workspace_root();
    let (mut overlays, mut problems) = kustomize::render_all(&toolbox.python, &root.join("infra"))?;
    let mut read = |path: &str| {
        fs::read_to_string(root.join(path)).unwrap_or_else(|error| {
            problems.push(format!("{path} can't be read: {error}"));
            String::new()
        })
    };
    let (skaffold, book) = (Objects::parse(&read("skaffold.yaml"))?, read("docs/runbook.md"));
    problems.extend(schemas::check(&toolbox.python, &overlays, &skaffold, schemas)?);
    let files = files::Files::find(&root)?;
    problems.extend(linters::check(&toolbox.python, &root, &files)?);
    problems.extend(unit_tests::check(&toolbox.python, &root, &files.unit_tests)?);

    let known = Known { programs: programs()?, images: workloads::built_by(&skaffold) };
    stores::fill(&mut overlays);
    for overlay in &overlays {
        let found = rules::check(&overlay.objects, &known);
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", overlay.name)));
    }
    // Several overlays have the same alerts, whose tests take their time.
    let watched = overlays.iter().find(|overlay| overlay.objects.of("PrometheusRule").next().is_some());
    match watched {
        Some(Overlay { objects, .. }) => {
            problems.extend(runbook::check(objects, &book));
            problems.extend(promtool::check(&toolbox.promtool, objects, &root.join("infra/monitoring/tests"))?);
        }
        None => problems.push("no overlay has the alert rules of infra/monitoring; take them into one".to_owned()),
    }
    Ok(problems)
}

/// What each built program can be told, by its own word.
fn programs() -> Result<settings::Programs> {
    let mut programs = BTreeMap::new();
    for name in SERVICES.into_iter().chain(["fakestripe"]) {
        let program = testkit::fleet::options::sibling_binaries_dir().join(name);
        let help = Command::new(&program)
            .arg("--help")
            // What is set here would be printed as a default.
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} does not run; build the services first", program.display()))?;
        let settings = settings::read_help(&String::from_utf8_lossy(&help.stdout));
        if settings.is_empty() {
            bail!("{} --help names no settings", program.display());
        }
        programs.insert(name.to_owned(), settings);
    }
    Ok(programs)
}
