//! `cargo xtask bench`: builds everything for release and has the crate `bench` measure it.

use anyhow::{Result, bail};
use clap::Args;
use testkit::fleet::SERVICES;
use testkit::fleet::options::programs_beside_us;
use testkit::tools::progress;
use tokio::process::Command;

use crate::cargo::{cargo, run as run_cargo};
use crate::signals::StopSignals;
use crate::{chromium, npm};

/// How fast it is, and what it costs: prints tables, and writes them to docs/performance.md when
/// everything was measured. Takes a quarter of an hour on an otherwise idle machine.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Only these rows, with commas between, such as one-ticket,floor-find; the document stays as it is. A
    /// wrong one lists all there are.
    #[arg(long)]
    only: Option<String>,
    /// Short measurements, to see that everything works; the document stays as it is.
    #[arg(long)]
    quick: bool,
}

/// Builds, then measures.
pub(crate) async fn run(args: BenchArgs) -> Result<()> {
    let mut stop = StopSignals::install()?;
    tokio::select! {
        outcome = build_and_measure(&args) => outcome,
        () = stop.wait() => bail!("interrupted"),
    }
}

async fn build_and_measure(args: &BenchArgs) -> Result<()> {
    npm::install(npm::WEB).await?;
    // For Lighthouse.
    npm::check_node()?;
    npm::install(npm::BROWSER).await?;
    let chromium = chromium::find_or_install().await?;
    progress("Building", "the services, fakestripe and bench (release); the first time takes minutes");
    let mut build = vec!["build", "--release", "--bins", "--package", "fakestripe", "--package", "bench"];
    for service in SERVICES {
        build.extend(["--package", service]);
    }
    run_cargo(cargo(&build), "building for release").await?;
    let mut bench = Command::new(programs_beside_us().with_file_name("release").join("bench"));
    bench
        .args(args.only.iter().flat_map(|rows| ["--only", rows]))
        .args(args.quick.then_some("--quick"))
        .env("CHROMIUM", chromium)
        .kill_on_drop(true);
    run_cargo(bench, "the measurement").await
}
