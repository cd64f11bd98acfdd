//! The payments service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::app::run(payments::NAME, payments::build)
}
