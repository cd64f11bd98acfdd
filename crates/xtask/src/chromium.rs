//! The browser that tests and screenshots run in.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use testkit::tools::{progress, search_path};
use tokio::process::Command;

use crate::cargo::run;

/// Its names on the systems that have it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The one that `CHROMIUM` names or that is on PATH; where root finds none, Debian's is installed.
pub(crate) async fn find_or_install() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    let remedy = "install it (Debian: sudo apt-get install chromium) or name it in CHROMIUM, and run this again";
    if !Uid::effective().is_root() || search_path("apt-get").is_none() {
        bail!("chromium is not on PATH; {remedy}");
    }
    progress("Installing", "chromium, Debian's package");
    // An old list may name a version that is gone; without any list, the package is not known at all.
    apt(&["update"]).await.ok();
    apt(&["install", "-y", "--no-install-recommends", "chromium"])
        .await
        .with_context(|| format!("chromium is not on PATH and could not be installed; {remedy}"))?;
    find().with_context(|| format!("chromium is not on PATH although its package is installed; {remedy}"))
}

fn find() -> Option<PathBuf> {
    NAMES.into_iter().find_map(search_path)
}

async fn apt(arguments: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    // Another apt-get, such as the system's own at its start, is waited for.
    apt.args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    run(apt, "apt-get").await
}
