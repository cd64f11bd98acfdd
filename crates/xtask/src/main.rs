//! `cargo xtask`: runs and tests the marketplace on this machine.
#![allow(clippy::print_stdout, reason = "a command-line tool prints its output")]
#![allow(clippy::disallowed_methods, reason = "xtask reads the environment and starts processes")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

mod abuse;
mod apt;
mod bench;
mod cargo;
mod certificates;
mod chaos;
mod chromium;
mod client;
mod cluster_test;
mod demo;
mod dependencies;
mod fleet;
mod lint_infra;
mod mutations;
mod npm;
mod operate;
mod scaling;
mod screenshots;
mod secrets;
mod servers;
mod signals;
mod test;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs and tests the marketplace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    /// Description of the running fleet; target/dev/fleet.json by default.
    #[arg(long, global = true, env = "FLEET_FILE", value_name = "FILE")]
    fleet: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and start everything, with demo data; Ctrl-C stops it.
    Up(up::UpArgs),
    /// Stop the fleet that `up` started.
    Down,
    /// Check formatting, run clippy and all tests, on real servers.
    Test(test::TestArgs),
    /// Check everything in infra/ that can be checked without a cluster.
    LintInfra,
    /// Test infra/ in a cluster: deploy, sell a ticket, deploy again, roll out, stop, start, back up, restore.
    ClusterTest(cluster_test::ClusterTestArgs),
    /// Run MongoDB, NATS and Redis for tests that are started manually, until Ctrl-C.
    Servers,
    /// Inspect, replay or drop dead letters: messages that no handler could process.
    DeadLetters(operate::OperateArgs),
    /// Have a service announce the entities that it owns, so that replicas that missed events catch up.
    Resync(operate::OperateArgs),
    /// Rebuild web's read model alongside the live one and switch to it.
    Rebuild(operate::OperateArgs),
    /// Run any command of ticketctl on the running fleet, such as `audit` or `backup`.
    Ticketctl(operate::OperateArgs),
    /// Check the dependencies against the advisory database; needs the internet.
    Advisories,
    /// Attack a fleet on this machine while a control buyer buys tickets; fails if a guarantee is violated.
    Abuse(abuse::AbuseArgs),
    /// Inject random faults into a fleet while users buy and sell; fails if something broke.
    Chaos(chaos::ChaosArgs),
    /// Break one rule of the product at a time, in a scratch worktree, and show what finds it.
    Mutations(mutations::MutationsArgs),
    /// Measure throughput, latency, CPU and memory of a release build; writes docs/performance.md.
    Bench(bench::BenchArgs),
    /// Measure what an instance costs among one to ten of each service.
    Scaling(scaling::ScalingArgs),
    /// Load the demo data into the shop of a development cluster.
    Demo(demo::cluster::DemoArgs),
    /// Generate the secrets of a cluster, by default for infra/k8s-dev in a folder that git ignores.
    Secrets(secrets::SecretsArgs),
    /// Take screenshots of every page at desktop, tablet and phone size, into target/screenshots.
    Screenshots(screenshots::ScreenshotsArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { fleet, command } = Cli::parse();
    let result = match command {
        Command::Up(args) => up::up(args).await,
        Command::Down => up::detach::down().await,
        Command::Test(args) => test::run(args).await,
        Command::LintInfra => lint_infra::run().await,
        Command::ClusterTest(args) => cluster_test::run(args).await,
        Command::Servers => servers::run().await,
        Command::DeadLetters(args) => operate::run(Some("dead-letters"), args, fleet).await,
        Command::Resync(args) => operate::run(Some("resync"), args, fleet).await,
        Command::Rebuild(args) => operate::run(Some("rebuild"), args, fleet).await,
        Command::Ticketctl(args) => operate::run(None, args, fleet).await,
        Command::Advisories => dependencies::check_advisories().await,
        Command::Abuse(args) => abuse::run(args, fleet).await,
        Command::Chaos(args) => chaos::run(args).await,
        Command::Mutations(args) => mutations::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Scaling(args) => scaling::run(args).await,
        Command::Screenshots(args) => screenshots::run(args).await,
        Command::Demo(args) => demo::cluster::run(args).await,
        Command::Secrets(args) => secrets::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
