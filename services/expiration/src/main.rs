//! The expiration service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::app::run(expiration::NAME, expiration::build)
}
