//! The orders service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::program::run(orders::NAME, orders::build)
}
