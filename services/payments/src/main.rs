//! The payments service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::program::run(payments::NAME, payments::build)
}
