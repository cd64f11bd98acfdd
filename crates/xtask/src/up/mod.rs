//! `cargo xtask up` and `down`: runs the whole marketplace on this machine.

pub(crate) mod detach;
mod lock;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use reqwest::Client;
use testkit::fleet::Fleet;
use testkit::fleet::options::FleetOptions;
use testkit::servers::ports;
use testkit::tools::{Tools, progress, workspace_root};

use self::lock::UpLock;
use crate::signals::StopSignals;
use crate::{cargo, demo, npm};

/// Starts everything; Ctrl-C stops it.
#[allow(clippy::struct_excessive_bools, reason = "each field is a command-line flag")]
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Port of the gateway.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Run release builds.
    #[arg(long)]
    release: bool,
    /// Run in the background; `cargo xtask down` stops it.
    #[arg(long)]
    detach: bool,
    /// Delete the data first.
    #[arg(long)]
    fresh: bool,
    /// Number of instances of each service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    instances: u8,
    /// Do not load the demo data.
    #[arg(long)]
    no_demo: bool,
    /// Set by --detach for the background process.
    #[arg(long, hide = true)]
    background: bool,
}

/// The folder of the fleet's data, logs and state files.
fn home() -> PathBuf {
    workspace_root().join("target/dev")
}

fn data() -> PathBuf {
    home().join("data")
}

/// Builds and starts the fleet, loads the demo data, and runs until a stop signal or a crash.
pub(crate) async fn up(args: UpArgs) -> Result<()> {
    let mut stop = StopSignals::install()?;
    fs::create_dir_all(home()).with_context(|| format!("creating {}", home().display()))?;
    if args.background {
        // Detach from the terminal, so that closing it does not stop us. Fails for a session leader, which is detached
        // already.
        let _ = nix::unistd::setsid();
    }
    if args.detach {
        lock::ensure_not_running()?;
        prepare(&args, &mut stop).await?;
        return detach::start(&args, &mut stop).await;
    }
    let _lock = UpLock::take()?;
    if !args.background {
        prepare(&args, &mut stop).await?;
    }
    let outcome = serve(&args, &mut stop).await;
    let _ = fs::remove_file(detach::ready_file());
    outcome
}

/// Does everything that can fail before the fleet starts.
async fn prepare(args: &UpArgs, stop: &mut StopSignals) -> Result<()> {
    ensure_port_is_free(args.port)?;
    let preparation = async {
        tokio::task::spawn_blocking(Tools::find_or_install).await??;
        npm::install(npm::WEB).await?;
        cargo::build_fleet(args.release).await
    };
    stop.unless_interrupted(preparation).await
}

fn ensure_port_is_free(port: u16) -> Result<()> {
    ensure!(ports::is_free(port), "port {port} is in use; stop what listens on it, or choose another one with --port");
    Ok(())
}

async fn serve(args: &UpArgs, stop: &mut StopSignals) -> Result<()> {
    ensure_port_is_free(args.port)?;
    let started = Instant::now();
    if args.fresh && data().exists() {
        progress("Deleting", "target/dev/data");
        fs::remove_dir_all(data()).context("deleting the data")?;
    }
    let options = options(args);
    let _ = fs::remove_dir_all(&options.logs);
    let fleet = stop.unless_interrupted(Fleet::start(&options)).await?;
    progress("Ready", &format!("all services, after {:.1} s", started.elapsed().as_secs_f32()));
    if !args.no_demo {
        let (url, data) = (fleet.url(), data());
        let loaded = tokio::select! {
            loaded = demo::load_if_empty(&url, Client::builder, Some(data.as_path())) => loaded,
            exit = fleet.unexpected_exit() => return Err(exit),
            () = stop.wait() => return stop_all(fleet).await,
        };
        if let Err(error) = loaded {
            // The fleet works without the demo data.
            progress("Warning", &format!("the demo data could not be loaded: {error:#}"));
        }
    }
    print_banner(&fleet.public_url(), args.background);
    fs::write(detach::ready_file(), "")?;
    tokio::select! {
        exit = fleet.unexpected_exit() => Err(exit),
        () = stop.wait() => stop_all(fleet).await,
    }
}

async fn stop_all(fleet: Fleet) -> Result<()> {
    progress("Stopping", "the fleet");
    fleet.stop().await
}

fn options(args: &UpArgs) -> FleetOptions {
    FleetOptions {
        port: Some(args.port),
        instances: args.instances,
        fleet_file: Some(home().join("fleet.json")),
        programs: cargo::binaries(args.release),
        ..FleetOptions::new(&home())
    }
}

fn print_banner(public_url: &str, background: bool) {
    println!("\n  The shop is open: {public_url}\n");
    if demo::is_loaded(&data()) {
        demo::print_accounts();
    }
    demo::print_cards();
    println!("\n  Logs:      target/dev/logs");
    println!("  Addresses: target/dev/fleet.json");
    println!("  Stop it:   {}\n", if background { "cargo xtask down" } else { "Ctrl-C" });
}
