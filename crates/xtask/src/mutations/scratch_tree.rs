//! A scratch git worktree of HEAD, in which mutations edit, build and run the sources. It is removed on drop.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use testkit::tools::workspace_root;

use super::catalogue::Edit;
use crate::cargo;

/// Folders that git ignores but every worktree needs: installed tools and npm packages. The scratch worktree contains
/// symbolic links to them.
const INSTALLED: [&str; 2] = [".tools", "services/web/node_modules"];

/// The worktree `target/mutations/tree`. Its builds are kept in `target/mutations/build`, so that later runs compile
/// only what has changed since.
pub(super) struct ScratchTree {
    /// The folder `target/mutations`, with the worktree, its builds and the logs.
    home: PathBuf,
    /// The root of the worktree.
    root: PathBuf,
}

impl ScratchTree {
    /// Checks out HEAD. Replaces the worktree of an interrupted run, if there is one.
    pub(super) fn create() -> Result<Self> {
        let home = workspace_root().join("target/mutations");
        fs::create_dir_all(&home).with_context(|| format!("creating {}", home.display()))?;
        let tree = Self { root: home.join("tree"), home };
        tree.remove();
        let root = tree.root.to_str().context("the path of the workspace is not UTF-8")?;
        git(&workspace_root(), &["worktree", "add", "--quiet", "--force", "--detach", root, "HEAD"])?;
        for folder in INSTALLED {
            let installed = workspace_root().join(folder);
            fs::create_dir_all(&installed)?;
            symlink(&installed, tree.root.join(folder)).with_context(|| format!("linking {folder}"))?;
        }
        Ok(tree)
    }

    /// The root of the worktree.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the log file for the output of a mutation's run. It is kept when the worktree is removed.
    pub(super) fn create_log(&self, mutation: &str) -> Result<(PathBuf, File)> {
        let path = self.home.join(format!("{mutation}.log"));
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok((path, file))
    }

    /// Reverts all earlier edits, then applies these.
    pub(super) fn set_edits(&self, edits: &[Edit]) -> Result<()> {
        git(&self.root, &["checkout", "--quiet", "--", "."])?;
        for edit in edits {
            let path = self.root.join(edit.file);
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            fs::write(&path, edit.apply(&text)?).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// A cargo command that runs in the worktree and builds into `target/mutations/build`.
    pub(super) fn cargo(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = cargo::cargo(arguments);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.home.join("build"));
        command
    }

    /// The path of a debug build of a program of the worktree.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.home.join("build/debug").join(name)
    }

    /// Removes the worktree, if there is one. Ignores errors.
    fn remove(&self) {
        let Some(root) = self.root.to_str() else { return };
        if self.root.exists() && git(&workspace_root(), &["worktree", "remove", "--force", root]).is_err() {
            let _ = fs::remove_dir_all(&self.root);
            let _ = git(&workspace_root(), &["worktree", "prune"]);
        }
    }
}

impl Drop for ScratchTree {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Runs git in this folder. The error contains what git printed.
fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).output();
    let output = output.context("git can't be started")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`git {}` failed: {}", arguments.join(" "), printed.trim());
    Ok(())
}
