//! Runs the server until SIGTERM or Ctrl-C; everything else is in the library.
#![allow(clippy::print_stdout, reason = "a development server prints its address")]
#![allow(clippy::disallowed_methods, reason = "not built on `platform`, so its clock and task rules do not apply")]

use std::process::ExitCode;

use clap::Parser;
use fakestripe::{Config, serve_until};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::try_parse() {
        Ok(config) => config,
        Err(error) if error.use_stderr() => {
            eprintln!("fakestripe: {}", one_line(&error.to_string()));
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fakestripe: {error}");
            ExitCode::FAILURE
        }
    }
}

/// First line of the clap error, prefixed with the environment variable concerned.
fn one_line(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("error: ");
    match line.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((name, _)) => format!("FAKESTRIPE_{name}: {line}"),
        None => line.to_owned(),
    }
}

async fn run(config: Config) -> Result<(), String> {
    let bind = config.bind;
    let listener =
        TcpListener::bind(bind).await.map_err(|error| format!("FAKESTRIPE_BIND: cannot listen on {bind}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    println!("fakestripe listens on http://{address}");
    serve_until(listener, config, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
    .await
    .map_err(|error| error.to_string())
}
