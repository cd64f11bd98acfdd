//! The browser that tests and screenshots run in.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use testkit::tools::{progress, search_path};

use crate::apt;

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
