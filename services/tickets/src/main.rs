//! The tickets service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::app::run(tickets::NAME, tickets::build)
}
