//! Measures what fleets with different numbers of instances use, and prints it as tables. The fleets run the service
//! binaries in this binary's folder.
#![allow(clippy::print_stdout, reason = "a command-line tool prints its output")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use e2e::scaling::usage::{purchase_table, usage_table};
use e2e::scaling::{Measurement, ScalingOptions, measure};

/// Measures one fleet for each number of instances. Fails if something has grown that must not depend on that number.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of instances of each service, separated by commas, ascending.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,10")]
    instances: Vec<u8>,
    /// For how many seconds each fleet is measured at rest.
    #[arg(long, default_value_t = 60)]
    rest: u64,
    /// For how many seconds each fleet sells tickets.
    #[arg(long, default_value_t = 60)]
    load: u64,
    /// Number of tickets that are listed, ordered and paid per second.
    #[arg(long, default_value_t = 5)]
    rate: u32,
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

/// Returns true if no fleet exceeds the limits that follow from the first one.
async fn run(args: &Args) -> Result<bool> {
    let mut measurements: Vec<Measurement> = Vec::new();
    for instances in args.instances.iter().copied() {
        let options = ScalingOptions {
            instances,
            rest: Duration::from_secs(args.rest),
            load: Duration::from_secs(args.load),
            purchases_per_second: args.rate,
            settings: &[],
        };
        measurements.push(measure(&options).await?);
    }
    println!("{}", usage_table(measurements.iter().flat_map(|measured| [&measured.rest, &measured.load])));
    println!("{}", purchase_table(measurements.iter().map(|measured| (measured.load.instances, &measured.purchase))));
    let Some((first, others)) = measurements.split_first() else { return Ok(true) };
    let mut grown = Vec::new();
    for other in others {
        grown.extend(other.rest.growth_over(&first.rest));
        grown.extend(other.load.growth_over(&first.load));
        let fewer = (first.load.instances, &first.purchase);
        grown.extend(other.purchase.cpu_growth_over(other.load.instances, fewer));
    }
    for growth in &grown {
        println!("growth: {growth}");
    }
    Ok(grown.is_empty())
}
