//! Reads the command line and carries it out; all else is in the library.

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
