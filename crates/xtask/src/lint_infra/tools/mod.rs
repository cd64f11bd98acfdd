//! The tools that look at infra/, each run over the files that are its own. What a tool has to say
//! becomes a problem as it says it.

pub(super) mod files;
pub(super) mod kustomize;
pub(super) mod linters;
pub(super) mod promtool;
pub(super) mod schemas;
#[cfg(test)]
mod tests;
pub(super) mod unit_tests;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use testkit::tools::python::Environment;

/// Where the tools are.
#[derive(Debug)]
pub(super) struct Toolbox {
    /// All but one of them.
    pub(super) python: Environment,
    /// The one that Python has no package of.
    pub(super) promtool: PathBuf,
}

impl Toolbox {
    /// Finds or installs them.
    pub(super) async fn find_or_install() -> Result<Self> {
        let python = || Environment::install("infra/dev/requirements-infra.txt");
        let python = tokio::task::spawn_blocking(python).await??;
        Ok(Self { python, promtool: promtool::find_or_install().await? })
    }
}

/// Runs a tool; what it complains about if it fails, nothing if it is content. An error is a tool
/// that does not run.
fn complaint(command: &mut Command) -> Result<Option<String>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .output()
        .with_context(|| format!("{program} does not run"))?;
    if output.status.success() {
        return Ok(None);
    }
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let text = text.join("\n").trim().to_owned();
    if text.is_empty() {
        bail!("{program} failed without a word ({})", output.status);
    }
    Ok(Some(text))
}
