//! The auth service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::program::run(auth::NAME, auth::build)
}
