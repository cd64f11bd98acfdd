//! Runs kubectl in a namespace, by default that of the marketplace.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testkit::tools::workspace_root;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

pub(super) const NAMESPACE: &str = "ticketing";
/// Selects the objects of the overlays, not those that the cluster adds.
pub(super) const FLEET_SELECTOR: &str = "app.kubernetes.io/part-of=ticketing";
/// The label of a node's zone.
pub(super) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// Selects the services.
pub(super) const SERVICE_SELECTOR: &str = "app.kubernetes.io/component=service";

/// A node that takes any pod.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) zone: Option<String>,
}

/// One namespace of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Kube {
    kubeconfig: Option<PathBuf>,
    namespace: String,
}

impl Kube {
    /// The namespace of the marketplace.
    pub(crate) fn new(kubeconfig: Option<PathBuf>) -> Self {
        Self { kubeconfig, namespace: NAMESPACE.to_owned() }
    }

    /// Another namespace of the same cluster.
    pub(super) fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// Returns a command with this cluster's kubeconfig.
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
        command.args(["--namespace", &self.namespace]).args(arguments);
        command
    }

    /// Runs kubectl and returns its output.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<String> {
        output(self.kubectl(arguments), &format!("kubectl {}", arguments.join(" "))).await
    }

    /// Applies the objects in a file.
    pub(super) async fn apply(&self, file: &Path) -> Result<String> {
        let file = file.display().to_string();
        self.run(&["apply", "--filename", &file]).await
    }

    /// Applies JSON objects.
    pub(super) async fn apply_json(&self, objects: &[Value]) -> Result<()> {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let mut command = self.kubectl(&["apply", "--filename", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().context("kubectl can't be started")?;
        let mut input = child.stdin.take().context("kubectl has no stdin")?;
        input.write_all(list.to_string().as_bytes()).await?;
        drop(input);
        let status = child.wait().await?;
        ensure!(status.success(), "kubectl apply failed ({status})");
        Ok(())
    }

    /// Returns the selected objects of one kind.
    pub(super) async fn get(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let text = self.run(&["get", kind, "--selector", selector, "--output", "json"]).await?;
        let mut list: Value = serde_json::from_str(&text)?;
        Ok(list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
    }

    /// Returns the replica counts of the selected deployments and statefulsets by `kind/name`.
    pub(super) async fn workloads(&self, selector: &str) -> Result<BTreeMap<String, i64>> {
        let mut workloads = BTreeMap::new();
        for object in self.get("deployments,statefulsets", selector).await? {
            let kind = text(&object, "/kind")?.to_lowercase();
            let count = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            workloads.insert(format!("{kind}/{}", text(&object, "/metadata/name")?), count);
        }
        Ok(workloads)
    }

    /// Returns the names and uids of the serving pods, without those of Jobs and those that are terminating.
    pub(super) async fn pods(&self) -> Result<BTreeSet<(String, String)>> {
        let pods = self.all_pods().await?;
        pods.iter()
            .filter(|pod| !is_terminating(pod))
            .map(|pod| Ok((text(pod, "/metadata/name")?.to_owned(), text(pod, "/metadata/uid")?.to_owned())))
            .collect()
    }

    /// Returns the pods that run, without those of Jobs and those that are terminating.
    pub(super) async fn running_pods(&self) -> Result<Vec<Value>> {
        let mut pods = self.all_pods().await?;
        pods.retain(|pod| {
            let is_running = pod.pointer("/status/phase").is_some_and(|phase| phase == "Running");
            is_running && !is_terminating(pod)
        });
        Ok(pods)
    }

    async fn all_pods(&self) -> Result<Vec<Value>> {
        self.get("pods", &format!("{FLEET_SELECTOR},!batch.kubernetes.io/job-name")).await
    }

    /// Returns the nodes without taints that keep pods away.
    pub(super) async fn schedulable_nodes(&self) -> Result<Vec<Node>> {
        let nodes = self.get("nodes", "").await?;
        let is_open = |node: &&Value| {
            let mut taints = node.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten();
            taints.all(|taint| taint.get("effect").and_then(Value::as_str) == Some("PreferNoSchedule"))
        };
        let named = |node: &Value| {
            let labels = node.pointer("/metadata/labels");
            let zone = labels.and_then(|labels| labels.get(ZONE_LABEL)?.as_str()).map(ToOwned::to_owned);
            Ok(Node { name: text(node, "/metadata/name")?.to_owned(), zone })
        };
        nodes.iter().filter(is_open).map(named).collect()
    }

    /// Returns the container ids of all pods except those of Jobs.
    pub(super) async fn containers(&self) -> Result<BTreeSet<String>> {
        Ok(container_ids(&self.all_pods().await?))
    }

    /// Returns the container ids of the pods on a node, except those of Jobs.
    pub(super) async fn containers_on(&self, node: &str) -> Result<BTreeSet<String>> {
        let mut pods = self.all_pods().await?;
        pods.retain(|pod| pod.pointer("/spec/nodeName").is_some_and(|name| name == node));
        Ok(container_ids(&pods))
    }

    /// Scales each workload to its replica count.
    pub(super) async fn scale(&self, workloads: &BTreeMap<String, i64>) -> Result<()> {
        for (workload, count) in workloads {
            self.run(&["scale", workload, "--replicas", &count.to_string()]).await?;
        }
        Ok(())
    }

    /// Waits until all pods of all workloads are ready, and returns how long that took.
    pub(super) async fn ready(&self, timeout: Duration) -> Result<Duration> {
        let started = Instant::now();
        loop {
            match self.not_ready().await {
                Ok(missing) if missing.is_empty() => return Ok(started.elapsed()),
                missing if started.elapsed() > timeout => {
                    let missing = missing.context("the API server does not respond")?;
                    bail!("not ready after {timeout:?}: {}", missing.join(", "));
                }
                _ => sleep(Duration::from_millis(500)).await,
            }
        }
    }

    async fn not_ready(&self) -> Result<Vec<String>> {
        let objects = self.get("deployments,statefulsets", FLEET_SELECTOR).await?;
        let number = |object: &Value, path: &str| object.pointer(path).and_then(Value::as_i64);
        let mut missing = Vec::new();
        // The minimum replicas of autoscalers, which may not have scaled the workloads yet.
        let mut minimum = BTreeMap::new();
        for autoscaler in self.get("horizontalpodautoscalers", FLEET_SELECTOR).await? {
            let target = text(&autoscaler, "/spec/scaleTargetRef/name")?.to_owned();
            minimum.insert(target, number(&autoscaler, "/spec/minReplicas").unwrap_or(1));
        }
        for object in &objects {
            let name = text(object, "/metadata/name")?;
            let required = number(object, "/spec/replicas").unwrap_or(1).max(minimum.get(name).copied().unwrap_or(0));
            let ready = number(object, "/status/readyReplicas").unwrap_or(0);
            let updated = number(object, "/status/updatedReplicas").unwrap_or(0);
            let is_observed = number(object, "/status/observedGeneration") == number(object, "/metadata/generation");
            // During a rollout, old pods are counted as well.
            let total = number(object, "/status/replicas").unwrap_or(0);
            if !is_observed || ready < required || updated < required || total > required {
                missing.push(format!("{name} ({ready} of {required})"));
            }
        }
        if objects.is_empty() {
            missing.push("no workload exists".to_owned());
        }
        Ok(missing)
    }

    /// Waits until no pod is left.
    pub(super) async fn wait_until_no_pods(&self, timeout: Duration) -> Result<()> {
        let started = Instant::now();
        while let pods @ 1.. = self.all_pods().await?.len() {
            ensure!(started.elapsed() <= timeout, "{pods} pods still exist");
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Prints states, events and the last log lines.
    pub(super) async fn print_diagnostics(&self) {
        let fleet = FLEET_SELECTOR;
        for arguments in [
            &["get", "pods,jobs", "--output", "wide"][..],
            &["get", "events", "--field-selector", "type=Warning", "--sort-by", ".lastTimestamp"],
            &["logs", "--selector", fleet, "--all-containers", "--prefix", "--tail", "15", "--max-log-requests", "50"],
        ] {
            match self.run(arguments).await {
                Ok(printed) => eprintln!("{}", last_lines(&printed, 150)),
                Err(error) => eprintln!("{error:#}"),
            }
        }
    }
}

fn container_ids(pods: &[Value]) -> BTreeSet<String> {
    let statuses = pods.iter().filter_map(|pod| pod.pointer("/status/containerStatuses")?.as_array()).flatten();
    statuses.filter_map(|status| status.get("containerID")?.as_str().map(ToOwned::to_owned)).collect()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// Runs a command and returns its stdout. On failure, the error shows the end of its stdout and its stderr.
pub(super) async fn output(mut command: Command, what: &str) -> Result<String> {
    let output = command.stderr(Stdio::piped()).output().await.with_context(|| format!("{what} can't be started"))?;
    if !output.status.success() {
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{what} failed ({}): {}{}", output.status, last_lines(&stdout, 20), stderr.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether the pod was deleted and its containers may still run.
pub(super) fn is_terminating(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// Returns the string at a JSON pointer.
pub(super) fn text<'a>(object: &'a Value, path: &str) -> Result<&'a str> {
    object.pointer(path).and_then(Value::as_str).with_context(|| format!("an object without {path}"))
}
