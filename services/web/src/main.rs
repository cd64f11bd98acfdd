//! The web service.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::app::run(web::NAME, web::build)
}
