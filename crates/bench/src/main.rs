//! `cargo xtask bench`: how fast the release build of the whole fleet is, and what it costs.
//!
//! # Why
//! Two CPUs are shared by the fleet and by what loads it, so the load generator is one thread that
//! parses next to nothing, and what it used is shown. Rates drift with the machine; CPU-seconds per
//! request and figures of the same run compare.
#![allow(clippy::print_stdout, reason = "a command line tool talks to its terminal")]
#![allow(clippy::disallowed_methods, reason = "stands outside the platform and its rules on tasks and publishing")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

mod aims;
mod baseline;
mod catalogue;
mod cpu;
mod document;
mod facts;
mod figures;
mod http1;
mod latency;
mod load;
mod report;
mod rows;
mod shop;
mod storefront;
mod table;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum as _};
use testkit::tools::{progress, workspace_root};
use tokio::signal::unix::{SignalKind, signal};

use self::facts::Facts;
use self::figures::{Figures, Row};
use self::rows::scale::Scale;
use self::shop::Shop;

/// Starts a fleet of the release programs, measures it, prints the tables, and writes them to
/// docs/performance.md when all rows were measured at full length.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Cli {
    /// Only these rows, with commas between; the document stays as it is.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Row>,
    /// Short measurements, to see that everything works; the document stays as it is.
    #[arg(long)]
    quick: bool,
}

// One thread: it loads the fleet, and is not what is measured.
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
    let shop = Shop::open().await?;
    let facts = Facts::gather(shop.data())?;
    let scale = if cli.quick { Scale::QUICK } else { Scale::FULL };
    let mut figures = Figures::default();
    let outcome = measure_rows(cli, &shop, &scale, &mut figures).await;
    // Shown also when a later row failed.
    let tables = report::markdown(&facts, &figures);
    println!("{tables}");
    outcome?;
    if cli.only.is_empty() && !cli.quick {
        document::write(&workspace_root().join("docs/performance.md"), &tables)?;
        progress("Wrote", "docs/performance.md");
    }
    shop.close().await
}

async fn measure_rows(cli: &Cli, shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    for row in Row::value_variants() {
        if cli.only.is_empty() || cli.only.contains(row) {
            progress("Measuring", row.describe());
            tokio::select! {
                outcome = rows::measure(*row, shop, scale, figures) => outcome.context(row.describe())?,
                death = shop.fleet.unexpected_exit() => return Err(death.context(row.describe())),
            }
        }
    }
    rows::footprint::after_load(shop, figures).await
}
