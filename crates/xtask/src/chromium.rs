//! The browser of the browser tests and the screenshots.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use testkit::tools::{progress, search_path};

use crate::{apt, npm};

/// Names of the browser's binary on different systems.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Installs the packages of the browser tests, and returns the path of the browser: the value of
/// `CHROMIUM`, or the one on PATH. If there is none and we are root, installs Debian's package.
pub(crate) async fn prepare() -> Result<PathBuf> {
    npm::check_node()?;
    npm::install(npm::BROWSER).await?;
    if let Some(path) = std::env::var_os("CHROMIUM").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    if let Some(path) = find() {
        return Ok(path);
    }
    let remedy = "install it (Debian: sudo apt-get install chromium) or name it in CHROMIUM, and run this again";
    if !apt::can_install() {
        bail!("chromium is not on PATH; {remedy}");
    }
    progress("Installing", "chromium, Debian's package");
    apt::install("chromium")
        .await
        .with_context(|| format!("chromium is not on PATH and could not be installed; {remedy}"))?;
    find().with_context(|| format!("chromium is not on PATH although its package is installed; {remedy}"))
}

fn find() -> Option<PathBuf> {
    NAMES.into_iter().find_map(search_path)
}
