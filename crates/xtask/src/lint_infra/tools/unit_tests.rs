//! The unit tests of what infra/ has in Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use testkit::tools::python::Environment;

use super::complaint;

/// What fails in these files, relative to `root`.
pub(in crate::lint_infra) fn check(python: &Environment, root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in files {
        let mut command = Command::new(&python.interpreter);
        // Leaves no compiled files beside the sources.
        command.arg("-B").arg(file).current_dir(root);
        problems.extend(complaint(&mut command)?.map(|text| format!("{}: {text}", file.display())));
    }
    Ok(problems)
}
