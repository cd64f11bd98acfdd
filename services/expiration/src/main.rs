//! The expiration service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::program::run(expiration::NAME, expiration::build)
}
