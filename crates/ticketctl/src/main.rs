//! `ticketctl`, the operators' command line tool: parses the arguments, runs the command and returns its exit code.

use std::process::ExitCode;

use clap::Parser;
use ticketctl::cli::{self, Cli};
use ticketctl::output::exit_code_of;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("ticketctl: no async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(cli::run(cli));
    // Not dropped, because the MongoDB driver panics in a task that still runs while the connection that it opens is
    // cancelled.
    std::mem::forget(runtime);
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            eprintln!("ticketctl: {error:#}");
            exit_code_of(&error)
        }
    }
}
