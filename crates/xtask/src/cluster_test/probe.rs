//! Runs scripts inside running pods. Their images have no shell, so a debug container of another image joins them, as
//! the pod's user.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::kube::Kube;

/// An image with bash and coreutils that every overlay uses anyway.
pub(super) const IMAGE: &str = "mongo:7.0";
const TIMEOUT: Duration = Duration::from_secs(180);
/// The number of scripts that run at once. With more, the pods of a small cluster would not respond to their probes in
/// time.
static SLOTS: Semaphore = Semaphore::const_new(4);

/// Runs a bash script in the network of a pod and in the process namespace of one of its containers. Returns its
/// output.
pub(super) async fn run_inside(kube: &Kube, pod: &str, container: &str, script: &str) -> Result<String> {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let _slot = SLOTS.acquire().await?;
    // The names of a pod's debug containers can't be used again.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let name = format!("probe-{now}-{}", PROBES.fetch_add(1, Ordering::Relaxed));
    let (target, profile) =
        (["--target", container], ["--profile", "restricted", "--image-pull-policy", "IfNotPresent"]);
    let debug = ["debug", pod, "--image", IMAGE, "--container", name.as_str(), "--quiet"];
    kube.run(&[&debug[..], &target, &profile, &["--", "bash", "-c", script]].concat()).await?;
    let started = Instant::now();
    loop {
        let found: Value = serde_json::from_str(&kube.run(&["get", "pod", pod, "--output", "json"]).await?)?;
        let statuses = found.pointer("/status/ephemeralContainerStatuses").and_then(Value::as_array);
        let is_probe = |status: &&Value| status.get("name").and_then(Value::as_str) == Some(name.as_str());
        let state = statuses.into_iter().flatten().find(is_probe).and_then(|status| status.get("state"));
        if let Some(code) = state.and_then(|state| state.pointer("/terminated/exitCode")) {
            let printed = kube.run(&["logs", pod, "--container", &name]).await?;
            ensure!(code == &Value::from(0), "the script in {container} of {pod} ended with {code}: {printed}");
            return Ok(printed);
        }
        if started.elapsed() > TIMEOUT {
            bail!("the debug container of {pod} did not end: {}", state.context("it has no state")?);
        }
        sleep(Duration::from_secs(1)).await;
    }
}
