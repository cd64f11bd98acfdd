//! Checks of the workspace's dependencies: bans, licences, sources, unused ones, and known vulnerabilities.
//!
//! # Why
//! cargo-shear is used instead of cargo-machete because it parses the sources rather than searching them for names, and
//! is available as a pinned binary.

use anyhow::Result;
use testkit::tools::pinned::Tool;
use testkit::tools::{find_or_install, progress, workspace_root};
use tokio::process::Command;

use crate::cargo::{cargo, run};

/// Checks deny.toml and finds unused dependencies. Needs no network once the dependencies are downloaded.
pub(crate) async fn check() -> Result<()> {
    // A build downloads the dependencies of this platform only, but cargo-deny reads those of all platforms.
    run(cargo(&["fetch", "--locked", "--quiet"]), "cargo fetch").await?;
    tool(&Tool::CARGO_DENY, "cargo deny", &["--offline", "check", "bans", "licenses", "sources"]).await?;
    tool(&Tool::CARGO_SHEAR, "cargo shear", &["--offline", "--locked"]).await
}

/// `cargo xtask advisories`: compares the dependencies with the advisory database, which it downloads.
pub(crate) async fn check_advisories() -> Result<()> {
    tool(&Tool::CARGO_DENY, "cargo deny check advisories", &["check", "advisories"]).await
}

async fn tool(tool: &'static Tool, what: &str, arguments: &[&str]) -> Result<()> {
    let program = tokio::task::spawn_blocking(move || find_or_install(tool)).await??;
    progress("Running", what);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace_root()).kill_on_drop(true);
    run(command, what).await
}
