//! The repository's own files, by kind: what git tracks, and what it would.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The files that linters look at, relative to the root.
#[derive(Debug, Default)]
pub(in crate::lint_infra) struct Files {
    pub(in crate::lint_infra) dockerfiles: Vec<PathBuf>,
    pub(in crate::lint_infra) workflows: Vec<PathBuf>,
    pub(in crate::lint_infra) scripts: Vec<PathBuf>,
    pub(in crate::lint_infra) yaml: Vec<PathBuf>,
    /// Tests in Python of what infra/ has in it.
    pub(in crate::lint_infra) unit_tests: Vec<PathBuf>,
}

impl Files {
    /// Those of the checkout at `root`.
    pub(in crate::lint_infra) fn find(root: &Path) -> Result<Self> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("git does not run; install it, its list of files is needed")?;
        if !output.status.success() {
            bail!("git can't list the files of {}: {}", root.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut files = Self::default();
        for path in String::from_utf8_lossy(&output.stdout).split('\0').filter(|path| !path.is_empty()) {
            // One that is about to be deleted is still in the list.
            if root.join(path).is_file() {
                files.sort_in(root, Path::new(path));
            }
        }
        Ok(files)
    }

    fn sort_in(&mut self, root: &Path, path: &Path) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_yaml = matches!(extension, Some("yaml" | "yml"));
        if name.starts_with("Dockerfile") && !name.ends_with(".dockerignore") {
            self.dockerfiles.push(path.to_owned());
        }
        if is_yaml && path.starts_with(".github/workflows") {
            self.workflows.push(path.to_owned());
        }
        if is_yaml {
            self.yaml.push(path.to_owned());
        }
        if extension == Some("py") && name.starts_with("test_") && path.starts_with("infra") {
            self.unit_tests.push(path.to_owned());
        }
        if extension == Some("sh") || is_shell(&root.join(path)) {
            self.scripts.push(path.to_owned());
        }
    }
}

/// Whether the first line asks for a shell.
fn is_shell(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let asked = line.strip_prefix("#!").and_then(|program| program.split(['/', ' ']).next_back());
    read.is_ok() && matches!(asked, Some("sh" | "bash"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use testkit::servers::scratch::ScratchDir;

    use super::*;

    #[test]
    fn files_are_sorted_by_kind() {
        let scratch = ScratchDir::new("lint-files").unwrap();
        let root = scratch.path();
        for (path, text) in [
            ("Dockerfile", "FROM x"),
            ("Dockerfile.dockerignore", "target"),
            (".github/workflows/ci.yml", "on: push"),
            ("infra/a.yaml", "a: 1"),
            ("infra/run.sh", "echo"),
            ("infra/test_run.py", ""),
            ("infra/run.py", ""),
            ("run", "#!/usr/bin/env bash\necho"),
            ("start", "#!/bin/sh"),
            ("snake", "#!/usr/bin/env python3\n"),
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        assert!(Command::new("git").args(["init", "--quiet"]).current_dir(root).status().unwrap().success());
        let files = Files::find(root).unwrap();
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(files.dockerfiles, paths(&["Dockerfile"]));
        assert_eq!(files.workflows, paths(&[".github/workflows/ci.yml"]));
        assert_eq!(files.yaml, paths(&[".github/workflows/ci.yml", "infra/a.yaml"]));
        assert_eq!(files.unit_tests, paths(&["infra/test_run.py"]));
        assert_eq!(files.scripts, paths(&["infra/run.sh", "run", "start"]));
    }
}
