//! Parses the command line and runs the command.

use std::process::ExitCode;

use clap::Parser;
use ticketctl::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ticketctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}
