//! `cargo xtask chaos`: builds two releases of the services, and runs the program `chaos` of the crate `e2e` with them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use testkit::fleet::SERVICES;
use testkit::tools::progress;
use tokio::process::Command;

use crate::signals::StopSignals;
use crate::{cargo, npm};

/// Injects random faults into a fleet while users buy and sell, ends all faults, and checks the invariants. Prints the
/// seed and a timeline, and keeps both with every response in target/chaos.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Number of minutes for which faults are injected.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Seed of the faults and of the users' behaviour, to repeat an earlier run; random by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Use a debug build instead of a release build.
    #[arg(long)]
    debug: bool,
}

pub(crate) async fn run(args: ChaosArgs) -> Result<()> {
    StopSignals::install()?.unless_interrupted(build_and_run(&args)).await
}

async fn build_and_run(args: &ChaosArgs) -> Result<()> {
    npm::install(npm::WEB).await?;
    let next_release = build_next_release(!args.debug).await?;
    cargo::build(&["fakestripe", "ticketctl", "e2e"], !args.debug).await?;
    let mut chaos = Command::new(cargo::binaries(!args.debug).join("chaos"));
    chaos.args(["--minutes", &args.minutes.to_string()]).arg("--next-release").arg(next_release).kill_on_drop(true);
    if let Some(seed) = args.seed {
        chaos.args(["--seed", &seed.to_string()]);
    }
    cargo::run(chaos, "chaos").await
}

/// Builds the services like a possible next release, whose events have fields that the present release does not know.
/// Copies them to a separate folder, because the build of the present release replaces them. Returns the folder.
async fn build_next_release(release: bool) -> Result<PathBuf> {
    progress("Building", "the services of the next release");
    let mut arguments = cargo::build_arguments(&[], release);
    arguments.extend(["--features", "platform/next-release"]);
    cargo::run(cargo::cargo(&arguments), "cargo build").await?;
    let built = cargo::binaries(release);
    let folder = built.join("next-release");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for service in SERVICES {
        let copy = folder.join(service);
        // An executable that is running can't be overwritten, so an earlier copy is removed first.
        if copy.exists() {
            fs::remove_file(&copy)?;
        }
        fs::copy(built.join(service), &copy).with_context(|| format!("copying {service}"))?;
    }
    Ok(folder)
}
