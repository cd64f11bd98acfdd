//! Installs the npm packages that the web pages and the browser tests use.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::tools::{lock_file, progress, search_path, workspace_root};
use tokio::process::Command;

use crate::cargo::run;

/// Folder of the font and of htmx, which web's build script embeds into the binary.
pub(crate) const WEB: &str = "services/web";
/// Folder of Playwright, axe-core and Lighthouse.
pub(crate) const BROWSER: &str = "crates/e2e/browser";

/// The oldest supported major version.
const MIN_NODE_MAJOR: u32 = 20;

/// Runs `npm ci` in this folder, unless the packages of its lockfile are installed.
pub(crate) async fn install(folder: &str) -> Result<()> {
    let path = workspace_root().join(folder);
    if is_installed(&path)? {
        return Ok(());
    }
    check_node()?;
    // Two concurrent runs would remove each other's files.
    let _lock = tokio::task::spawn_blocking(|| lock_file("npm.lock", "another `npm ci`")).await??;
    if is_installed(&path)? {
        return Ok(());
    }
    progress("Installing", &format!("npm packages into {folder}/node_modules"));
    let mut npm = Command::new("npm");
    // None of the packages needs its install scripts.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&path)
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    run(npm, &format!("`npm ci` in {folder}")).await
}

/// Fails with a one-line remedy unless npm and a recent Node.js are on PATH.
pub(crate) fn check_node() -> Result<()> {
    let remedy = format!("install Node.js {MIN_NODE_MAJOR} or newer with npm (https://nodejs.org), and run this again");
    for program in ["node", "npm"] {
        if search_path(program).is_none() {
            bail!("{program} is not on PATH; {remedy}");
        }
    }
    let output = std::process::Command::new("node").arg("--version").output().context("node does not run")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if major(&version).is_none_or(|major| major < MIN_NODE_MAJOR) {
        bail!("node on PATH is {version}, which is too old; {remedy}");
    }
    Ok(())
}

/// Parses the major version of `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Whether npm's record of the installed packages matches the lockfile.
fn is_installed(folder: &Path) -> Result<bool> {
    let lockfile = folder.join("package-lock.json");
    let text = fs::read_to_string(&lockfile).with_context(|| format!("reading {}", lockfile.display()))?;
    let required = serde_json::from_str(&text).with_context(|| format!("{} is damaged", lockfile.display()))?;
    // npm writes this file last, so an interrupted installation does not have it.
    let Ok(text) = fs::read_to_string(folder.join("node_modules/.package-lock.json")) else { return Ok(false) };
    Ok(serde_json::from_str(&text).is_ok_and(|installed| matches_lockfile(&required, &installed)))
}

/// Whether the required packages are installed, by their hashes, and no others. Optional packages, which may be for
/// other systems, may be missing.
fn matches_lockfile(required: &Value, installed: &Value) -> bool {
    let packages = |lock: &Value| lock.get("packages").and_then(Value::as_object).cloned().unwrap_or_default();
    let (required, installed) = (packages(required), packages(installed));
    let is_known = installed.keys().all(|path| required.contains_key(path));
    let mut packages = required.iter().filter(|(path, _)| !path.is_empty());
    is_known
        && packages.all(|(path, package)| match installed.get(path) {
            Some(found) => found.get("integrity") == package.get("integrity"),
            None => package.get("optional").is_some_and(|optional| *optional == Value::Bool(true)),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn installed_packages_must_match_the_lockfile() {
        let root = json!({ "name": "a" });
        let (one, two) = (json!({ "integrity": "sha512-1" }), json!({ "integrity": "sha512-2" }));
        let optional = json!({ "integrity": "sha512-3", "optional": true });
        let required = json!({ "packages": { "": root, "node_modules/a": one, "node_modules/b": optional } });
        let matches = |packages: Value| matches_lockfile(&required, &json!({ "packages": packages }));
        assert!(matches(json!({ "node_modules/a": one })));
        assert!(matches(json!({ "node_modules/a": one, "node_modules/b": optional })));
        assert!(!matches(json!({})), "nothing is installed");
        assert!(!matches(json!({ "node_modules/a": two })), "another version");
        assert!(!matches(json!({ "node_modules/a": one, "node_modules/c": two })), "an unknown package");
    }

    #[test]
    fn major_reads_the_output_of_node() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major(""), None);
    }
}
