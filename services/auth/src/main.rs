//! The auth service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::app::run(auth::NAME, auth::build)
}
