//! The linters of Dockerfiles, workflows, shell scripts and YAML. None of them calls out.

use std::path::{Path, PathBuf};

use anyhow::Result;
use testkit::tools::python::Environment;

use super::complaint;
use super::files::Files;

const YAMLLINT: &str = include_str!("yamllint.yaml");

/// What the linters have to say of the files below `root`.
pub(in crate::lint_infra) fn check(python: &Environment, root: &Path, files: &Files) -> Result<Vec<String>> {
    let shellcheck = python.program("shellcheck").display().to_string();
    // pyflakes would be looked for on PATH; no workflow of ours has Python in it.
    let actionlint = ["-no-color", "-shellcheck", &shellcheck, "-pyflakes", ""];
    let zizmor = ["--offline", "--no-progress", "--color=never", "--quiet"];
    let runs: [(&str, &[&str], &[PathBuf]); 5] = [
        ("hadolint", &["--no-color"], &files.dockerfiles),
        ("actionlint", &actionlint, &files.workflows),
        ("zizmor", &zizmor, &files.workflows),
        ("shellcheck", &["--color=never", "--external-sources"], &files.scripts),
        ("yamllint", &["--strict", "--format", "parsable", "-d", YAMLLINT], &files.yaml),
    ];
    let mut problems = Vec::new();
    for (tool, arguments, files) in runs {
        if !files.is_empty() {
            let mut command = python.command(tool)?;
            command.args(arguments).args(files).current_dir(root);
            problems.extend(complaint(&mut command)?.map(|text| format!("{tool}: {text}")));
        }
    }
    Ok(problems)
}
