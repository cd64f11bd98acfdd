//! Runs the external tools that check infra/. The output of a tool that fails is reported unchanged.

pub(super) mod kustomize;
pub(super) mod linters;
pub(super) mod promtool;
pub(super) mod schemas;
#[cfg(test)]
mod tests;

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs a tool. Returns its output if it reports problems, and an error if the tool itself does not run.
fn failure_output(command: &mut Command) -> Result<Option<String>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let command = command.stdin(Stdio::null()).env("NO_COLOR", "1");
    let output = command.output().with_context(|| format!("{program} does not run"))?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let text = text.join("\n").trim().to_owned();
    match output.status.success() {
        true => Ok(None),
        false if text.is_empty() => bail!("{program} failed without output ({})", output.status),
        false => Ok(Some(text)),
    }
}
