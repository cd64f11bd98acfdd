//! `cargo xtask bench`: builds everything for release and runs the crate `bench`.

use anyhow::Result;
use clap::Args;
use tokio::process::Command;

use crate::signals::StopSignals;
use crate::{cargo, chromium, npm};

/// Measures throughput, latency and resource usage. Prints tables and, after a complete measurement,
/// writes them to docs/performance.md. Takes a quarter of an hour on an otherwise idle machine.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Comma-separated cases to measure, such as one-ticket,baseline-find; does not write the document. An unknown name
    /// lists all cases.
    #[arg(long)]
    only: Option<String>,
    /// Short measurements, to check that everything works; does not write the document.
    #[arg(long)]
    quick: bool,
}

pub(crate) async fn run(args: BenchArgs) -> Result<()> {
    StopSignals::install()?.unless_interrupted(build_and_measure(&args)).await
}

async fn build_and_measure(args: &BenchArgs) -> Result<()> {
    npm::install(npm::WEB).await?;
    // Lighthouse needs a browser.
    let chromium = chromium::prepare().await?;
    cargo::build(&["fakestripe", "bench"], true).await?;
    let mut bench = Command::new(cargo::binaries(true).join("bench"));
    bench
        .args(args.only.iter().flat_map(|rows| ["--only", rows]))
        .args(args.quick.then_some("--quick"))
        .env("CHROMIUM", chromium)
        .kill_on_drop(true);
    cargo::run(bench, "the measurement").await
}
