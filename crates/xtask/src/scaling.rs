//! `cargo xtask scaling`: builds the services, and runs the program `scaling` of the crate `e2e`.

use anyhow::Result;
use clap::Args;
use tokio::process::Command;

use crate::signals::StopSignals;
use crate::{cargo, npm};

/// Measures fleets with different numbers of instances of each service, without load and while a few tickets a second
/// are sold: connections, memory, queries, batches of periodic tasks, consumers, the CPU of a purchase. Prints Markdown
/// tables. Fails if the usage of one instance, or the usage that all instances share, grows with the number of instances.
/// Fails, too, if the CPU of a purchase grows by more than a tenth each time that number doubles.
#[derive(Debug, Args)]
pub(crate) struct ScalingArgs {
    /// Numbers of instances of each service, separated by commas, ascending.
    #[arg(long, default_value = "1,2,4,8,10")]
    instances: String,
    /// Number of seconds for which each fleet is measured without load, and then again under load.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Use a debug build instead of a release build.
    #[arg(long)]
    debug: bool,
}

pub(crate) async fn run(args: ScalingArgs) -> Result<()> {
    StopSignals::install()?.unless_interrupted(build_and_run(&args)).await
}

async fn build_and_run(args: &ScalingArgs) -> Result<()> {
    npm::install(npm::WEB).await?;
    cargo::build(&["fakestripe", "e2e"], !args.debug).await?;
    let mut scaling = Command::new(cargo::binaries(!args.debug).join("scaling"));
    let seconds = args.seconds.to_string();
    scaling.args(["--instances", &args.instances, "--rest", &seconds, "--load", &seconds]).kill_on_drop(true);
    cargo::run(scaling, "the measurement").await
}
