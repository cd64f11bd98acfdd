//! `cargo xtask chaos`: builds everything and runs the program `chaos` of the crate `e2e`.

use anyhow::Result;
use clap::Args;
use tokio::process::Command;

use crate::signals::StopSignals;
use crate::{cargo, npm};

/// Injects random faults into a fleet while users buy and sell, heals everything and checks that nothing broke. Prints
/// the seed and a timeline, and keeps both with every response in target/chaos.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// How long faults are injected.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Repeat the faults and habits of an earlier run; a new seed by default.
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
    cargo::build(&["fakestripe", "ticketctl", "e2e"], !args.debug).await?;
    let mut chaos = Command::new(cargo::binaries(!args.debug).join("chaos"));
    chaos.args(["--minutes", &args.minutes.to_string()]).kill_on_drop(true);
    if let Some(seed) = args.seed {
        chaos.args(["--seed", &seed.to_string()]);
    }
    cargo::run(chaos, "chaos").await
}
