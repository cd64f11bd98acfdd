//! `cargo xtask lint-infra`: provides what the checks of infra/ need, and prints the problems.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use lint_infra::Programs;
use testkit::fleet::options::current_binary_dir;
use testkit::tools::python::Environment;
use testkit::tools::{progress, workspace_root};

use crate::cargo::build_fleet;
use crate::{apt, secrets};

/// Builds the services, whose `--help` lists their settings, and runs the checks.
pub(crate) async fn run() -> Result<()> {
    build_fleet(false).await?;
    check().await
}

/// Runs the checks and prints every problem. The services must be built already.
pub(crate) async fn check() -> Result<()> {
    // The dev overlay contains these secrets.
    secrets::ensure_development()?;
    let promtool = promtool().await?;
    let check = move || {
        let python = Environment::install("infra/dev/requirements-infra.txt")?;
        progress("Checking", "infra/");
        let schemas = std::env::var_os("SCHEMAS_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
        let programs = Programs { python: &python, promtool: &promtool, fleet: &current_binary_dir() };
        lint_infra::check(&workspace_root(), &programs, schemas.as_deref())
    };
    let problems = tokio::task::spawn_blocking(check).await??;
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}\n");
    }
    bail!("infra/ has {} problems", problems.len());
}

/// Finds promtool, or unpacks Debian's package into `.tools/`.
async fn promtool() -> Result<PathBuf> {
    if let Some(found) = lint_infra::find_promtool() {
        return Ok(found);
    }
    progress("Installing", "promtool out of Debian's package prometheus, into .tools/");
    let remedy = "promtool is not on PATH and could not be unpacked; put it on PATH (it comes with Prometheus; \
                  Debian: apt-get install prometheus), and run this again";
    apt::unpack("prometheus").await.context(remedy)?;
    lint_infra::find_promtool().context(remedy)
}
