//! The tickets service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::program::run(tickets::NAME, tickets::build)
}
