//! `up --detach` and `down`: the fleet in the background.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::tools::progress;
use tokio::process::{Child, Command};

use super::{UpArgs, home, lock};
use crate::signals::StopSignals;

/// Services drain for up to 25 s; the servers come after them.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// Written when the shop is open.
pub(super) fn ready_file() -> PathBuf {
    home().join("ready")
}

/// Starts ourselves in the background, shows what it says, and returns when the shop is open.
pub(super) async fn start(args: &UpArgs, stop: &mut StopSignals) -> Result<()> {
    let _ = fs::remove_file(ready_file());
    let log = home().join("up.log");
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["up", "--background", "--port", &args.port.to_string(), "--instances", &args.instances.to_string()]);
    let flags = [(args.release, "--release"), (args.fresh, "--fresh"), (args.no_demo, "--no-demo")];
    command.args(flags.into_iter().filter_map(|(set, flag)| set.then_some(flag)));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("starting the background process")?;

    let mut shown = File::open(&log)?;
    loop {
        relay(&mut shown)?;
        if ready_file().exists() {
            relay(&mut shown)?;
            return Ok(());
        }
        if child.try_wait()?.is_some() {
            // Its own last line says why; another one of ours would not make it clearer.
            relay(&mut shown)?;
            std::process::exit(1);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.wait() => return give_up(&mut child).await,
        }
    }
}

async fn give_up(child: &mut Child) -> Result<()> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    }
    child.wait().await?;
    bail!("interrupted")
}

/// Copies what was added to the log since the last time.
fn relay(log: &mut File) -> Result<()> {
    let mut added = Vec::new();
    log.read_to_end(&mut added)?;
    std::io::stdout().write_all(&added)?;
    Ok(std::io::stdout().flush()?)
}

/// Stops the fleet that runs, in the background or in another terminal.
pub(crate) async fn down() -> Result<()> {
    let Some(pid) = lock::holder()? else {
        println!("Nothing is running.");
        return Ok(());
    };
    progress("Stopping", &format!("the fleet (pid {pid})"));
    // The pid is the one of the process that holds the lock at this very moment.
    kill(Pid::from_raw(pid), Signal::SIGTERM).with_context(|| format!("stopping process {pid}"))?;
    let deadline = Instant::now() + STOP_DEADLINE;
    while lock::holder()? == Some(pid) {
        if Instant::now() > deadline {
            // What it started is killed along with it.
            kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("Stopped.");
    Ok(())
}
