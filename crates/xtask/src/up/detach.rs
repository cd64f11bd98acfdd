//! `up --detach` and `down`: runs the fleet in the background and stops it.

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

/// Services drain for up to 25 s, then the servers stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A file that exists once the fleet is ready.
pub(super) fn ready_file() -> PathBuf {
    home().join("ready")
}

/// Runs `up` again as a background process, copies its output, and returns once the fleet is ready.
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

    let mut log = File::open(&log)?;
    loop {
        // Read the state first, so that the output is complete when the loop ends.
        let (is_ready, has_exited) = (ready_file().exists(), child.try_wait()?.is_some());
        copy_new_output(&mut log)?;
        if is_ready {
            return Ok(());
        }
        if has_exited {
            // Its output ends with the reason.
            std::process::exit(1);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            () = stop.wait() => return interrupt(&mut child).await,
        }
    }
}

async fn interrupt(child: &mut Child) -> Result<()> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    }
    child.wait().await?;
    bail!("interrupted")
}

/// Copies the output since the last call.
fn copy_new_output(log: &mut File) -> Result<()> {
    let mut added = Vec::new();
    log.read_to_end(&mut added)?;
    std::io::stdout().write_all(&added)?;
    Ok(std::io::stdout().flush()?)
}

/// Stops the running fleet of this checkout, in the background or in another terminal.
pub(crate) async fn down() -> Result<()> {
    let Some(pid) = lock::holder()? else {
        println!("Nothing is running.");
        return Ok(());
    };
    progress("Stopping", &format!("the fleet (pid {pid})"));
    kill(Pid::from_raw(pid), Signal::SIGTERM).with_context(|| format!("stopping process {pid}"))?;
    let deadline = Instant::now() + STOP_TIMEOUT;
    while lock::holder()? == Some(pid) {
        if Instant::now() > deadline {
            // Its children are killed with it.
            kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("Stopped.");
    Ok(())
}
