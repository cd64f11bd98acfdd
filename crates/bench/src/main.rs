//! `cargo xtask bench`: measures the throughput, latency and cost of the release build of the whole fleet.
//!
//! # Why
//! The fleet and the load generator share two CPUs, so the load generator is one thread that does almost no parsing,
//! and its own CPU time is reported. Throughput varies with the machine; CPU seconds per request, and results within
//! one run, are comparable.
#![allow(clippy::print_stdout, reason = "a command line tool talks to its terminal")]
#![allow(clippy::disallowed_methods, reason = "not a service: the platform's rules do not apply")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

mod cases;
mod catalogue;
mod cpu;
mod database;
mod document;
mod environment;
mod http1;
mod latency;
mod load;
mod node;
mod report;
mod results;
mod table;
mod targets;
mod testbed;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum as _};
use testkit::tools::{progress, workspace_root};
use tokio::signal::unix::{SignalKind, signal};

use self::cases::workload::Workload;
use self::results::{Case, Results};
use self::testbed::TestBed;

/// Starts a fleet of the release programs, measures it and prints the result tables. Writes them to docs/performance.md
/// if all cases were measured at full length.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Cli {
    /// Only these cases, separated by commas; does not write the document.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// Short measurements, to check that everything works; does not write the document.
    #[arg(long)]
    quick: bool,
}

// Single-threaded, because the load generator is not under test.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        outcome = measure(cli) => outcome,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("interrupted"),
    }
}

async fn measure(cli: &Cli) -> Result<()> {
    let bed = TestBed::start().await?;
    let environment = environment::detect(&bed.data)?;
    let workload = if cli.quick { Workload::QUICK } else { Workload::FULL };
    let mut results = Results::default();
    let outcome = measure_cases(cli, &bed, &workload, &mut results).await;
    // Print the tables even if a later case failed.
    let tables = report::markdown(&environment, &results);
    println!("{tables}");
    outcome?;
    if cli.only.is_empty() && !cli.quick {
        document::write(&workspace_root().join("docs/performance.md"), &tables)?;
        progress("Wrote", "docs/performance.md");
    }
    bed.stop().await
}

async fn measure_cases(cli: &Cli, bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    for case in Case::value_variants().iter().filter(|case| cli.only.is_empty() || cli.only.contains(case)) {
        let label = case.label();
        progress("Measuring", &label);
        tokio::select! {
            outcome = cases::measure(*case, bed, workload, results) => outcome.context(label)?,
            exit = bed.fleet.unexpected_exit() => return Err(exit.context(label)),
        }
    }
    cases::footprint::after_load(bed, results).await
}
