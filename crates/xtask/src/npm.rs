//! Node and its packages: what the pages are made from, and the tests in a real browser.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::tools::{progress, search_path, tools_dir, workspace_root};
use tokio::process::Command;

use crate::cargo::run;

/// Bootstrap and htmx, which web's build script puts into the program.
pub(crate) const WEB: &str = "services/web";
/// Playwright, axe-core and Lighthouse.
pub(crate) const BROWSER: &str = "crates/e2e/browser";

/// The oldest major version that is tried.
const OLDEST: u32 = 20;

/// Runs `npm ci` in this folder, unless what its lockfile names is installed there.
pub(crate) async fn install(folder: &str) -> Result<()> {
    let path = workspace_root().join(folder);
    if is_installed(&path)? {
        return Ok(());
    }
    check_node()?;
    // Two at once would remove each other's files.
    let _lock = tokio::task::spawn_blocking(lock).await??;
    if is_installed(&path)? {
        return Ok(());
    }
    progress("Installing", &format!("npm packages into {folder}/node_modules"));
    let mut npm = Command::new("npm");
    // Nothing that we use has to be built or fetched by an install script.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&path)
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    run(npm, &format!("`npm ci` in {folder}")).await
}

/// That there are a Node which is new enough and an npm; else one line that says what to do.
pub(crate) fn check_node() -> Result<()> {
    let remedy = format!("install Node.js {OLDEST} or newer with npm (https://nodejs.org), and run this again");
    for program in ["node", "npm"] {
        if search_path(program).is_none() {
            bail!("{program} is not on PATH; {remedy}");
        }
    }
    let output = std::process::Command::new("node").arg("--version").output().context("node does not run")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if major(&version).is_none_or(|major| major < OLDEST) {
        bail!("node on PATH is {version}, which is too old; {remedy}");
    }
    Ok(())
}

/// The first number of `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Whether npm's own note of what it has installed agrees with the lockfile.
fn is_installed(folder: &Path) -> Result<bool> {
    let lockfile = folder.join("package-lock.json");
    let text = fs::read_to_string(&lockfile).with_context(|| format!("reading {}", lockfile.display()))?;
    let wanted = serde_json::from_str(&text).with_context(|| format!("{} is damaged", lockfile.display()))?;
    // Written last of all, so an interrupted installation has none.
    let Ok(text) = fs::read_to_string(folder.join("node_modules/.package-lock.json")) else { return Ok(false) };
    Ok(serde_json::from_str(&text).is_ok_and(|installed| agree(&wanted, &installed)))
}

/// Whether every package that is wanted is installed, by its hash; optional ones are those of other systems.
fn agree(wanted: &Value, installed: &Value) -> bool {
    let packages = |lock: &Value| lock.get("packages").and_then(Value::as_object).cloned().unwrap_or_default();
    let (wanted, installed) = (packages(wanted), packages(installed));
    let is_known = installed.keys().all(|path| wanted.contains_key(path));
    let mut packages = wanted.iter().filter(|(path, _)| !path.is_empty());
    is_known
        && packages.all(|(path, package)| match installed.get(path) {
            Some(found) => found.get("integrity") == package.get("integrity"),
            None => package.get("optional").is_some_and(|optional| *optional == Value::Bool(true)),
        })
}

/// One `npm ci` at a time on this checkout; released when the file is closed, even by a crash.
fn lock() -> Result<File> {
    fs::create_dir_all(tools_dir()).with_context(|| format!("creating {}", tools_dir().display()))?;
    let file = File::create(tools_dir().join("npm.lock"))?;
    if file.try_lock().is_err() {
        progress("Waiting", "for another `npm ci` to end");
        file.lock()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lockfile_is_compared_with_what_is_installed() {
        let root = json!({ "name": "a" });
        let (one, two) = (json!({ "integrity": "sha512-1" }), json!({ "integrity": "sha512-2" }));
        let elsewhere = json!({ "integrity": "sha512-3", "optional": true });
        let wanted = json!({ "packages": { "": root, "node_modules/a": one, "node_modules/b": elsewhere } });
        let has = |packages: Value| agree(&wanted, &json!({ "packages": packages }));
        assert!(has(json!({ "node_modules/a": one })));
        assert!(has(json!({ "node_modules/a": one, "node_modules/b": elsewhere })));
        assert!(!has(json!({})), "nothing is installed");
        assert!(!has(json!({ "node_modules/a": two })), "another version");
        assert!(!has(json!({ "node_modules/a": one, "node_modules/c": two })), "one too many");
    }

    #[test]
    fn versions_are_read_as_node_prints_them() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major(""), None);
    }
}
