//! The orders service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::app::run(orders::NAME, orders::build)
}
