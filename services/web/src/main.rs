//! The web service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::program::run(web::NAME, web::build)
}
