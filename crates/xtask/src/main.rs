//! `cargo xtask`: starts the marketplace on this machine, and tests it.
#![allow(clippy::print_stdout, reason = "a command line tool talks to its terminal")]
#![allow(clippy::disallowed_methods, reason = "xtask reads the environment and starts processes")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

mod abuse;
mod apt;
mod bench;
mod cargo;
mod chromium;
mod client;
mod cluster_test;
mod dead_letters;
mod demo;
mod lint_infra;
mod npm;
mod rebuild;
mod resync;
mod running;
mod screenshots;
mod secrets;
mod servers;
mod signals;
mod test;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs the marketplace on this machine, and its tests.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    /// The description of the running fleet that a command is for; target/dev/fleet.json unless told.
    #[arg(long, global = true, env = "FLEET_FILE", value_name = "FILE")]
    fleet: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and start everything, with demo data; Ctrl-C stops it.
    Up(up::UpArgs),
    /// Stop what `up` started.
    Down,
    /// Formatting, clippy and all tests, on real servers.
    Test(test::TestArgs),
    /// Everything about infra/ that can be checked without a cluster.
    LintInfra,
    /// Everything about infra/ that only a cluster shows: deployed, sold from, deployed again, rolled out, stopped,
    /// started, restored.
    ClusterTest(cluster_test::ClusterTestArgs),
    /// MongoDB, NATS and Redis for tests run by hand; stays until Ctrl-C.
    Servers,
    /// Messages that no handler could take: look at them, replay or drop them.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Have a service announce what it owns: whoever keeps a copy and missed something has it then.
    Resync(resync::ResyncArgs),
    /// Build web's read model anew, beside the one that pages read, and put it in its place.
    Rebuild(rebuild::RebuildArgs),
    /// What one visitor may try on the whole shop, each attack beside an innocent buyer; fails when something does
    /// not hold. Only a shop on this machine.
    Abuse(abuse::AbuseArgs),
    /// Requests a second, latencies, CPU and memory of a release build; tables in docs/performance.md.
    Bench(bench::BenchArgs),
    /// Secrets of a cluster: made once, in a folder that git ignores, for infra/k8s-dev.
    Secrets(secrets::SecretsArgs),
    /// A picture of every page, on a desk and on a phone, in target/screenshots.
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
        Command::DeadLetters(what) => dead_letters::run(what, fleet).await,
        Command::Resync(args) => resync::run(args, fleet).await,
        Command::Rebuild(args) => rebuild::run(args, fleet).await,
        Command::Abuse(args) => abuse::run(args, fleet).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Screenshots(args) => screenshots::run(args).await,
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
