//! Runs a chaos test and prints its report. The fleet runs the service binaries in this binary's folder.
#![allow(clippy::print_stdout, reason = "a command-line tool prints its output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use e2e::chaos::{self, ChaosOptions};
use testkit::tools::progress;
use tokio::signal::unix::{SignalKind, signal};

/// Injects random faults into a fleet while users buy and sell, and checks that nothing broke.
#[derive(Debug, Parser)]
struct Args {
    /// For how many minutes faults are injected.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// The seed of an earlier run, to repeat its faults and the users' habits; random by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of users who buy and sell at the same time; 100 by default.
    #[arg(long)]
    visitors: Option<usize>,
    /// How many seconds the fleet may take to settle after the faults; 240 by default.
    #[arg(long, value_name = "SECONDS")]
    settle: Option<u64>,
    /// The folder of another build of the services. Rolling restarts switch between that build and this one.
    #[arg(long, value_name = "FOLDER")]
    next_release: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns true if the run has no findings.
async fn run(args: &Args) -> Result<bool> {
    let seed = args.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let mut options = ChaosOptions::new(seed, Duration::from_secs(args.minutes * 60));
    options.visitors = args.visitors.unwrap_or(options.visitors);
    options.settle = args.settle.map_or(options.settle, Duration::from_secs);
    options.next_release.clone_from(&args.next_release);
    progress("Running", &format!("chaos with the seed {seed}; files are in {}", options.folder().display()));
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let report = tokio::select! {
        report = Box::pin(chaos::run(&options)) => report?,
        // The future is dropped, and with it the fleet, which ends its processes.
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("interrupted"),
    };
    println!("{report}");
    Ok(report.findings.is_empty())
}
