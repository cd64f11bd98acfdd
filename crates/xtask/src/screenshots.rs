//! `cargo xtask screenshots`: a picture of every page, on a desk and on a phone, in the light and in the dark.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use testkit::fleet::Fleet;
use testkit::fleet::options::{FleetOptions, programs_beside_us};
use testkit::servers::scratch::ScratchDir;
use testkit::tools::{progress, workspace_root};
use tokio::process::Command;

use crate::signals::StopSignals;
use crate::{cargo, chromium, demo, npm};

/// Where to take them.
#[derive(Debug, Args)]
pub(crate) struct ScreenshotsArgs {
    /// A shop that runs, such as `http://localhost:8080`; three people, their tickets and orders are
    /// added to it. Unless told, one is started for this and thrown away.
    #[arg(long)]
    url: Option<String>,
}

/// Writes them to target/screenshots, in the place of the ones before.
pub(crate) async fn run(args: ScreenshotsArgs) -> Result<()> {
    let mut stop = StopSignals::install()?;
    tokio::select! {
        outcome = take(&args) => outcome,
        () = stop.wait() => bail!("interrupted"),
    }
}

async fn take(args: &ScreenshotsArgs) -> Result<()> {
    npm::check_node()?;
    npm::install(npm::BROWSER).await?;
    let chromium = chromium::find_or_install().await?;
    let Some(url) = &args.url else {
        return of_our_own(&chromium).await;
    };
    picture(&chromium, url, None).await
}

/// Of a shop with the demo's data, on free ports.
async fn of_our_own(chromium: &Path) -> Result<()> {
    npm::install(npm::WEB).await?;
    cargo::build_fleet(false).await?;
    let scratch = ScratchDir::new("screenshots")?;
    let mut options = FleetOptions::new(scratch.path());
    options.programs = programs_beside_us().with_file_name("debug");
    let fleet = Fleet::start(&options).await?;
    demo::load_if_empty(&fleet.url(), &options.data).await?;
    let (url, nats) = (fleet.public_url(), fleet.servers().nats.pid());
    tokio::select! {
        outcome = picture(chromium, &url, Some(nats)) => outcome?,
        death = fleet.unexpected_exit() => return Err(death),
    }
    fleet.stop().await
}

/// `nats` may be halted for a moment, which is how a price changes at the worst time.
async fn picture(chromium: &Path, url: &str, nats: Option<u32>) -> Result<()> {
    let folder = workspace_root().join("target/screenshots");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    progress("Taking", "pictures of every page");
    let mut node = Command::new("node");
    node.arg("screenshots.mjs")
        .current_dir(workspace_root().join(npm::BROWSER))
        .env("BASE_URL", url)
        .env("CHROMIUM", chromium)
        .env("OUT", &folder)
        .envs(nats.map(|pid| ("NATS_PID", pid.to_string())))
        .kill_on_drop(true);
    cargo::run(node, "taking the pictures").await?;
    progress("Written", &folder.display().to_string());
    Ok(())
}
