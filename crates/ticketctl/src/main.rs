//! `ticketctl`, the operators' command line tool: parses the arguments, runs the command and returns its exit code.

use std::process::ExitCode;

use clap::Parser;
use ticketctl::cli::{self, Cli};
use ticketctl::output::exit_code_of;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            eprintln!("ticketctl: {error:#}");
            exit_code_of(&error)
        }
    }
}
