//! The linters of Dockerfiles, workflows, shell scripts and YAML, and the unit tests of Python, run by prek.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testkit::servers::scratch::ScratchDir;
use testkit::tools::python::Environment;

use super::failure_output;

const HOOKS: &str = include_str!("hooks.yaml");

/// Returns what the hooks report about the files of the checkout at `root`, including files that are not tracked yet.
pub(crate) fn check(python: &Environment, root: &Path) -> Result<Option<String>> {
    let scratch = ScratchDir::new("lint-hooks")?;
    let [hooks, list] = ["hooks.yaml", "files"].map(|name| scratch.path().join(name));
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let files = git.output().context("git does not run; install it")?;
    if !files.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&files.stderr).trim());
    }
    fs::write(&hooks, HOOKS)?;
    fs::write(&list, files.stdout)?;
    // The linters find each other and their Python on PATH.
    let folders =
        [&python.program("prek"), &python.interpreter].map(|program| program.parent().unwrap_or(root).to_owned());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)))?;
    let mut prek = python.command("prek")?;
    prek.args(["run", "--no-progress", "--color=never", "--hide-status=passed", "--hide-status=skipped", "--config"])
        .arg(&hooks)
        .arg("--files0-from")
        .arg(&list)
        .env("PATH", path)
        .env("PREK_HOME", scratch.path())
        .current_dir(root);
    failure_output(&mut prek)
}
