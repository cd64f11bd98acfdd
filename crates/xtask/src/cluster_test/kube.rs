//! kubectl, in the namespace of the marketplace.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::tools::{progress, workspace_root};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

pub(super) const NAMESPACE: &str = "ticketing";
/// All that the overlays make, and nothing that the cluster adds.
const OURS: &str = "app.kubernetes.io/part-of=ticketing";
/// The services among them.
pub(super) const SERVICES: &str = "app.kubernetes.io/component=service";

/// One cluster.
#[derive(Debug, Clone)]
pub(super) struct Kube {
    kubeconfig: Option<PathBuf>,
}

impl Kube {
    pub(super) fn new(kubeconfig: Option<PathBuf>) -> Self {
        Self { kubeconfig }
    }

    /// A program that is to speak to this cluster.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(workspace_root()).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("kubectl");
        command.args(["--namespace", NAMESPACE]).args(arguments);
        command
    }

    /// Runs kubectl; what it printed.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<String> {
        output(self.kubectl(arguments), &format!("kubectl {}", arguments.join(" "))).await
    }

    /// Applies what a file holds.
    pub(super) async fn apply(&self, file: &Path) -> Result<String> {
        let file = file.display().to_string();
        self.run(&["apply", "--filename", &file]).await
    }

    /// Applies objects in JSON, each in the namespace of the marketplace.
    pub(super) async fn apply_json(&self, objects: &[Value]) -> Result<()> {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let mut command = self.kubectl(&["apply", "--filename", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().context("kubectl can't be started")?;
        let mut input = child.stdin.take().context("kubectl takes no input")?;
        input.write_all(list.to_string().as_bytes()).await?;
        drop(input);
        let status = child.wait().await?;
        if !status.success() {
            bail!("kubectl apply failed ({status})");
        }
        Ok(())
    }

    /// A list of objects.
    pub(super) async fn get(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let text = self.run(&["get", kind, "--selector", selector, "--output", "json"]).await?;
        let mut list: Value = serde_json::from_str(&text)?;
        Ok(list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
    }

    /// The `kind/name` of everything that has pods, with how many it is to have.
    pub(super) async fn workloads(&self, selector: &str) -> Result<BTreeMap<String, i64>> {
        let mut workloads = BTreeMap::new();
        for object in self.get("deployments,statefulsets", selector).await? {
            let kind = text(&object, "/kind")?.to_lowercase();
            let count = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            workloads.insert(format!("{kind}/{}", text(&object, "/metadata/name")?), count);
        }
        Ok(workloads)
    }

    /// Everything that the overlays made.
    pub(super) async fn all(&self) -> Result<BTreeMap<String, i64>> {
        self.workloads(OURS).await
    }

    /// The pods that serve, by name, each with its uid: neither those of Jobs nor those that are about to end.
    pub(super) async fn pods(&self) -> Result<BTreeSet<(String, String)>> {
        let pods = self.all_pods().await?;
        pods.iter()
            .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .map(|pod| Ok((text(pod, "/metadata/name")?.to_owned(), text(pod, "/metadata/uid")?.to_owned())))
            .collect()
    }

    async fn all_pods(&self) -> Result<Vec<Value>> {
        self.get("pods", &format!("{OURS},!batch.kubernetes.io/job-name")).await
    }

    /// The containers of the pods that serve, by the ids that the nodes gave them.
    pub(super) async fn containers(&self) -> Result<BTreeSet<String>> {
        let pods = self.all_pods().await?;
        let statuses = pods.iter().filter_map(|pod| pod.pointer("/status/containerStatuses")?.as_array()).flatten();
        Ok(statuses.filter_map(|status| status.get("containerID")?.as_str().map(ToOwned::to_owned)).collect())
    }

    /// Scales each to this many pods.
    pub(super) async fn scale(&self, workloads: &BTreeMap<String, i64>) -> Result<()> {
        for (workload, count) in workloads {
            self.run(&["scale", workload, "--replicas", &count.to_string()]).await?;
        }
        Ok(())
    }

    /// Waits until everything that the overlays made has all its pods, ready.
    pub(super) async fn ready(&self, patience: Duration) -> Result<Duration> {
        let began = Instant::now();
        loop {
            let missing = self.not_ready().await;
            match missing {
                Ok(missing) if missing.is_empty() => return Ok(began.elapsed()),
                missing if began.elapsed() > patience => {
                    let missing = missing.context("the API server does not answer")?;
                    bail!("after {patience:?} these are not ready: {}", missing.join(", "));
                }
                _ => sleep(Duration::from_millis(500)).await,
            }
        }
    }

    async fn not_ready(&self) -> Result<Vec<String>> {
        let objects = self.get("deployments,statefulsets", OURS).await?;
        let number = |object: &Value, path: &str| object.pointer(path).and_then(Value::as_i64);
        let mut missing = Vec::new();
        // What an autoscaler is yet to ask for.
        let mut least = BTreeMap::new();
        for autoscaler in self.get("horizontalpodautoscalers", OURS).await? {
            let target = text(&autoscaler, "/spec/scaleTargetRef/name")?.to_owned();
            least.insert(target, number(&autoscaler, "/spec/minReplicas").unwrap_or(1));
        }
        for object in &objects {
            let name = text(object, "/metadata/name")?;
            let wanted = number(object, "/spec/replicas").unwrap_or(1).max(least.get(name).copied().unwrap_or(0));
            let ready = number(object, "/status/readyReplicas").unwrap_or(0);
            let updated = number(object, "/status/updatedReplicas").unwrap_or(0);
            let is_seen = number(object, "/status/observedGeneration") == number(object, "/metadata/generation");
            // What is rolled out has pods of the older kind until it is done.
            let total = number(object, "/status/replicas").unwrap_or(0);
            if !is_seen || ready < wanted || updated < wanted || total > wanted {
                missing.push(format!("{name} ({ready} of {wanted})"));
            }
        }
        if objects.is_empty() {
            missing.push("anything".to_owned());
        }
        Ok(missing)
    }

    /// Waits until no pod of these is left.
    pub(super) async fn gone(&self, patience: Duration) -> Result<()> {
        let began = Instant::now();
        while let pods @ 1.. = self.all_pods().await?.len() {
            if began.elapsed() > patience {
                bail!("{pods} pods are still there");
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// For whoever has to find out: states, events and last lines.
    pub(super) async fn tell_what_is_wrong(&self) {
        let log = "app.kubernetes.io/part-of=ticketing";
        for arguments in [
            &["get", "pods,jobs", "--output", "wide"][..],
            &["get", "events", "--field-selector", "type=Warning", "--sort-by", ".lastTimestamp"],
            &["logs", "--selector", log, "--all-containers", "--prefix", "--tail", "15", "--max-log-requests", "50"],
        ] {
            match self.run(arguments).await {
                Ok(said) => eprintln!("{}", last_lines(&said, 150)),
                Err(error) => eprintln!("{error:#}"),
            }
        }
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// Runs a command to its end; what it printed, and an error with what it complained of.
pub(super) async fn output(mut command: Command, what: &str) -> Result<String> {
    let output = command.stderr(Stdio::piped()).output().await.with_context(|| format!("{what} can't be started"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        bail!("{what} failed ({}): {}{}", output.status, last_lines(&said, 20), complaint.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The text at this place.
pub(super) fn text<'a>(object: &'a Value, path: &str) -> Result<&'a str> {
    object.pointer(path).and_then(Value::as_str).with_context(|| format!("an object without {path}"))
}

/// A line of what was seen.
pub(super) fn say(what: &str, more: &str) {
    progress(what, more);
}
