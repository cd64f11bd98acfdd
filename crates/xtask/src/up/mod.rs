//! `cargo xtask up` and `down`: the whole marketplace on this machine.

mod banner;
pub(crate) mod detach;
mod lock;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use testkit::fleet::Fleet;
use testkit::fleet::options::{FleetOptions, programs_beside_us};
use testkit::servers::ports;
use testkit::tools::{Tools, progress, workspace_root};

use self::lock::UpLock;
use crate::signals::StopSignals;
use crate::{cargo, demo, npm};

/// Starts everything; Ctrl-C stops it.
#[allow(clippy::struct_excessive_bools, reason = "each one is a flag of the command line")]
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// The gateway's port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Run release builds.
    #[arg(long)]
    release: bool,
    /// Leave it running in the background; `cargo xtask down` stops it.
    #[arg(long)]
    detach: bool,
    /// Wipe the data first.
    #[arg(long)]
    fresh: bool,
    /// How many of each service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    instances: u8,
    /// Load no demo data.
    #[arg(long)]
    no_demo: bool,
    /// We are the background process that --detach started.
    #[arg(long, hide = true)]
    background: bool,
}

/// Where the running fleet keeps its things.
fn home() -> PathBuf {
    workspace_root().join("target/dev")
}

fn data() -> PathBuf {
    home().join("data")
}

/// Builds, starts, loads the demo data, and stays until told to stop or until something dies.
pub(crate) async fn up(args: UpArgs) -> Result<()> {
    let mut stop = StopSignals::install()?;
    fs::create_dir_all(home()).with_context(|| format!("creating {}", home().display()))?;
    if args.background {
        // Of no terminal any more: closing it does not concern us. (Fails where that is so already.)
        let _ = nix::unistd::setsid();
    }
    if args.detach {
        lock::refuse_if_running()?;
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

/// All that can fail before anything runs.
async fn prepare(args: &UpArgs, stop: &mut StopSignals) -> Result<()> {
    refuse_used_port(args.port)?;
    let tools = tokio::task::spawn_blocking(Tools::find_or_install);
    tokio::select! {
        tools = tools => drop(tools??),
        () = stop.wait() => bail!("interrupted"),
    }
    tokio::select! {
        installed = npm::install(npm::WEB) => installed?,
        () = stop.wait() => bail!("interrupted"),
    }
    tokio::select! {
        built = cargo::build_fleet(args.release) => built,
        () = stop.wait() => bail!("interrupted"),
    }
}

fn refuse_used_port(port: u16) -> Result<()> {
    if !ports::is_free(port) {
        bail!("port {port} is in use; stop what listens on it, or choose another one with --port");
    }
    Ok(())
}

async fn serve(args: &UpArgs, stop: &mut StopSignals) -> Result<()> {
    refuse_used_port(args.port)?;
    let begun = Instant::now();
    if args.fresh && data().exists() {
        progress("Wiping", "target/dev/data");
        fs::remove_dir_all(data()).context("wiping the data")?;
    }
    let options = options(args);
    let _ = fs::remove_dir_all(&options.logs);
    let fleet = tokio::select! {
        fleet = Fleet::start(&options) => fleet?,
        () = stop.wait() => bail!("interrupted"),
    };
    progress("Ready", &format!("all services, after {:.1} s", begun.elapsed().as_secs_f32()));
    if !args.no_demo {
        let (url, data) = (fleet.url(), data());
        let loaded = tokio::select! {
            loaded = demo::load_if_empty(&url, &data) => loaded,
            death = fleet.unexpected_exit() => return Err(death),
            () = stop.wait() => return stop_all(fleet).await,
        };
        if let Err(error) = loaded {
            // The shop is open all the same.
            progress("Warning", &format!("the demo data could not be loaded: {error:#}"));
        }
    }
    banner::print(&fleet.public_url(), demo::is_loaded(&data()), args.background);
    fs::write(detach::ready_file(), "")?;
    tokio::select! {
        death = fleet.unexpected_exit() => Err(death),
        () = stop.wait() => stop_all(fleet).await,
    }
}

async fn stop_all(fleet: Fleet) -> Result<()> {
    progress("Stopping", "the fleet");
    fleet.stop().await
}

fn options(args: &UpArgs) -> FleetOptions {
    let mut options = FleetOptions::new(&home());
    options.port = Some(args.port);
    options.instances = args.instances;
    options.fleet_file = Some(home().join("fleet.json"));
    let profile = if args.release { "release" } else { "debug" };
    options.programs = programs_beside_us().with_file_name(profile);
    options
}
