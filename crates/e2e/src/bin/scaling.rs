//! Measures fleets with different numbers of instances of the binaries beside this one, and prints the tables.
#![allow(clippy::print_stdout, reason = "a command-line tool prints its output")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use e2e::scaling::usage::{stored_table, usage_table};
use e2e::scaling::{Measurement, ScalingOptions, measure};

/// Measures fleets with different numbers of instances, one after the other, and fails if what must be flat has grown.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of instances of each service, separated by commas, ascending.
    #[arg(long, value_delimiter = ',', default_value = "1,2,8,10")]
    instances: Vec<u8>,
    /// How many seconds each fleet is measured at rest.
    #[arg(long, default_value_t = 60)]
    rest: u64,
    /// How many seconds tickets are sold.
    #[arg(long, default_value_t = 60)]
    load: u64,
    /// Number of tickets that are listed, ordered and paid in a second.
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

/// Returns whether nothing has grown.
async fn run(args: &Args) -> Result<bool> {
    let mut all: Vec<Measurement> = Vec::new();
    for instances in args.instances.iter().copied() {
        let options = ScalingOptions {
            instances,
            rest: Duration::from_secs(args.rest),
            load: Duration::from_secs(args.load),
            purchases_per_second: args.rate,
            settings: &[],
        };
        all.push(measure(&options).await?);
    }
    println!("{}", usage_table(all.iter().flat_map(|measured| [&measured.rest, &measured.load])));
    println!("{}", stored_table(all.iter().map(|measured| &measured.stored)));
    let Some((first, others)) = all.split_first() else { return Ok(true) };
    let mut grown = Vec::new();
    for other in others {
        grown.extend(other.rest.growth_over(&first.rest));
        grown.extend(other.load.growth_over(&first.load));
    }
    for growth in &grown {
        println!("has grown: {growth}");
    }
    Ok(grown.is_empty())
}
