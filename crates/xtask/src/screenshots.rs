//! `cargo xtask screenshots`: screenshots of every page at desktop, tablet and phone size, in the light and the dark
//! theme.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use reqwest::Client;
use testkit::tools::{progress, workspace_root};
use tokio::process::Command;

use crate::signals::StopSignals;
use crate::{cargo, chromium, demo, fleet, npm};

/// Writes screenshots of every page to target/screenshots.
#[derive(Debug, Args)]
pub(crate) struct ScreenshotsArgs {
    /// URL of a running fleet, such as `http://localhost:8080`, to which three users, their tickets and
    /// orders are added. By default, a temporary fleet is started.
    #[arg(long)]
    url: Option<String>,
}

pub(crate) async fn run(args: ScreenshotsArgs) -> Result<()> {
    StopSignals::install()?.unless_interrupted(take(&args)).await
}

async fn take(args: &ScreenshotsArgs) -> Result<()> {
    let chromium = chromium::prepare().await?;
    match &args.url {
        Some(url) => take_screenshots(&chromium, url, None).await,
        None => from_temporary_fleet(&chromium).await,
    }
}

/// Takes the screenshots on a temporary fleet with the demo data.
async fn from_temporary_fleet(chromium: &Path) -> Result<()> {
    let (fleet, scratch) = fleet::start_temporary("screenshots", false, false).await?;
    demo::load_if_empty(&fleet.url(), Client::builder, Some(scratch.path())).await?;
    let (url, nats) = (fleet.public_url(), fleet.servers().nats.pid());
    tokio::select! {
        outcome = take_screenshots(chromium, &url, Some(nats)) => outcome?,
        exit = fleet.unexpected_exit() => return Err(exit),
    }
    fleet.stop().await
}

/// Runs the script that takes the screenshots on the fleet at `url`. `nats` is the process id of its NATS server. The
/// script suspends that process to place an order at a price that the seller has already changed. Without it, the
/// screenshot of this refused order is omitted.
async fn take_screenshots(chromium: &Path, url: &str, nats: Option<u32>) -> Result<()> {
    let folder = workspace_root().join("target/screenshots");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    progress("Taking", "screenshots of every page");
    let mut node = Command::new("node");
    node.arg("screenshots.mjs")
        .current_dir(workspace_root().join(npm::BROWSER))
        .env("BASE_URL", url)
        .env("CHROMIUM", chromium)
        .env("OUT", &folder)
        .envs(nats.map(|pid| ("NATS_PID", pid.to_string())))
        .kill_on_drop(true);
    cargo::run(node, "screenshots.mjs").await?;
    progress("Written", &folder.display().to_string());
    Ok(())
}
