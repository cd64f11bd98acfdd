//! Compares what containers use with their requests and limits, and has an autoscaler add a pod and remove it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::tools::progress;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::gateway::GatewayForward;
use super::kube::{FLEET_SELECTOR, Kube, NAMESPACE, text};
use super::load::Load;

/// Pause between two samples.
const INTERVAL: Duration = Duration::from_secs(10);
/// A container whose memory comes closer to its limit than this fails the test.
const MAX_MEMORY_SHARE: f64 = 0.9;
const MIB: f64 = 1024.0 * 1024.0;
/// The autoscaler under test, and its load.
const SCALED: &str = "web";
const READERS: usize = 24;
const SCALE_TIMEOUT: Duration = Duration::from_secs(600);

/// The highest use of a container: bytes of memory, and CPUs.
#[derive(Debug, Default, Clone, Copy)]
struct Peak {
    memory: f64,
    cpu: f64,
}

/// Peaks by workload and container.
type Peaks = Arc<Mutex<BTreeMap<(String, String), Peak>>>;

/// Samples what containers use, in the background, until it is dropped.
pub(super) struct Sampler {
    peaks: Peaks,
    task: JoinHandle<()>,
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sampler {
    pub(super) fn start(kube: &Kube) -> Self {
        let peaks = Peaks::default();
        let (kube, shared) = (kube.clone(), Arc::clone(&peaks));
        let task = tokio::spawn(async move {
            loop {
                // Fails while nodes or the API server are down.
                sample(&kube, &shared).await.ok();
                sleep(INTERVAL).await;
            }
        });
        Self { peaks, task }
    }

    /// Prints the peaks beside requests and limits. Fails if the memory of a container came close to its limit.
    pub(super) async fn compare(&self, cluster: &Cluster) -> Result<()> {
        sample(&cluster.kube, &self.peaks).await?;
        let peaks = self.peaks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for object in cluster.kube.get("deployments,statefulsets", FLEET_SELECTOR).await? {
            let workload = text(&object, "/metadata/name")?;
            let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                let name = text(container, "/name")?;
                let peak = peaks.get(&(workload.to_owned(), name.to_owned())).filter(|peak| peak.memory > 0.0);
                let peak = peak.with_context(|| format!("no kubelet reports the use of {name} of {workload}"))?;
                progress("Used", &comparison(workload, container, *peak)?);
                let limit = amount(container, "/resources/limits/memory").context("a container without a limit")?;
                ensure!(peak.memory <= limit * MAX_MEMORY_SHARE, "{name} of {workload} came close to its memory limit");
            }
        }
        Ok(())
    }
}

/// One line about a container.
fn comparison(workload: &str, container: &Value, peak: Peak) -> Result<String> {
    let (name, memory) = (text(container, "/name")?, peak.memory / MIB);
    let mebibytes =
        |path| amount(container, path).map_or_else(|| "none".to_owned(), |bytes| format!("{:.0}", bytes / MIB));
    let cpus = |path| amount(container, path).map_or_else(|| "none".to_owned(), |cpus| format!("{cpus:.2}"));
    let (requested, limit) = (mebibytes("/resources/requests/memory"), mebibytes("/resources/limits/memory"));
    let (requested_cpus, limit_cpus) = (cpus("/resources/requests/cpu"), cpus("/resources/limits/cpu"));
    // Twice the peak, in steps of 16 MiB.
    let sensible = (memory * 2.0 / 16.0).ceil() * 16.0;
    Ok(format!(
        "{workload}/{name}: {memory:.0} MiB of {limit} (requested {requested}, sensible from {sensible:.0}), \
         {:.2} CPUs of {limit_cpus} (requested {requested_cpus})",
        peak.cpu
    ))
}

/// The amount at a path of a container.
fn amount(container: &Value, path: &str) -> Option<f64> {
    quantity(container.pointer(path)?.as_str()?)
}

/// Parses a quantity of Kubernetes, such as `500m` or `64Mi`.
fn quantity(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => 1.0,
        "m" => 0.001,
        "Ki" => 1024.0,
        "Mi" => MIB,
        "Gi" => 1024.0 * MIB,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// Reads the use of all containers from the kubelets, which need no metrics server for that.
async fn sample(kube: &Kube, peaks: &Peaks) -> Result<()> {
    let mut workloads = BTreeMap::new();
    for pod in kube.get("pods", FLEET_SELECTOR).await? {
        if let Some(workload) = pod.pointer("/metadata/labels/app.kubernetes.io~1name").and_then(Value::as_str) {
            workloads.insert(text(&pod, "/metadata/name")?.to_owned(), workload.to_owned());
        }
    }
    for node in kube.schedulable_nodes().await? {
        let path = format!("/api/v1/nodes/{}/proxy/stats/summary", node.name);
        let summary: Value = serde_json::from_str(&kube.run(&["get", "--raw", &path]).await?)?;
        let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
        for pod in summary.get("pods").and_then(Value::as_array).into_iter().flatten() {
            let is_ours = pod.pointer("/podRef/namespace").and_then(Value::as_str) == Some(NAMESPACE);
            let Some(workload) = workloads.get(text(pod, "/podRef/name")?).filter(|_| is_ours) else { continue };
            for container in pod.get("containers").and_then(Value::as_array).into_iter().flatten() {
                let name = text(container, "/name")?.to_owned();
                let number = |path| container.pointer(path).and_then(Value::as_f64).unwrap_or_default();
                let peak = peaks.entry((workload.clone(), name)).or_default();
                peak.memory = peak.memory.max(number("/memory/workingSetBytes"));
                peak.cpu = peak.cpu.max(number("/cpu/usageNanoCores") / 1e9);
            }
        }
    }
    Ok(())
}

/// Has many readers load pages until the autoscaler of `web` adds a pod, which must be removed afterwards.
pub(super) async fn autoscale(cluster: &Cluster) -> Result<()> {
    let kube = &cluster.kube;
    let scalers = kube.get("horizontalpodautoscalers", FLEET_SELECTOR).await?;
    let Some(scaler) = scalers.iter().find(|one| text(one, "/metadata/name").is_ok_and(|name| name == SCALED)) else {
        progress("Skipped", "autoscaling: this overlay has no autoscalers");
        return Ok(());
    };
    if kube.run(&["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"]).await.is_err() {
        progress("Skipped", "autoscaling: this cluster has no metrics server");
        return Ok(());
    }
    let window = "/spec/behavior/scaleDown/stabilizationWindowSeconds";
    let original = scaler.pointer(window).and_then(Value::as_i64).context("the autoscaler has no window")?;
    let minimum = scaler.pointer("/spec/minReplicas").and_then(Value::as_i64).unwrap_or(1);
    // Production keeps pods for ten minutes after a peak.
    set_window(kube, 15).await?;
    let outcome = scale_up_and_down(cluster, minimum).await;
    set_window(kube, original).await?;
    outcome
}

async fn scale_up_and_down(cluster: &Cluster, minimum: i64) -> Result<()> {
    wait_for_pods(cluster, "the minimum before the load", |pods| pods == minimum).await?;
    let gateway = GatewayForward::open(cluster).await?;
    let mut load = Load::start(&gateway.connector);
    load.add_readers(&gateway.connector, READERS, Duration::ZERO);
    let up = wait_for_pods(cluster, "more pods", |pods| pods > minimum).await;
    let (_, _, cost) = load.stop().await?;
    let up = up?.as_secs_f32();
    let down = wait_for_pods(cluster, "the minimum again", |pods| pods == minimum).await?.as_secs_f32();
    progress("Scaled", &format!("{SCALED} up after {up:.0} s of load and down {down:.0} s after it: {cost}"));
    Ok(())
}

async fn set_window(kube: &Kube, seconds: i64) -> Result<()> {
    let patch =
        json!({ "spec": { "behavior": { "scaleDown": { "stabilizationWindowSeconds": seconds } } } }).to_string();
    kube.run(&["patch", "horizontalpodautoscaler", SCALED, "--type", "merge", "--patch", &patch]).await.map(drop)
}

/// Waits until the number of ready pods of the scaled service meets a condition, and returns how long that took.
async fn wait_for_pods(cluster: &Cluster, what: &str, is_met: impl Fn(i64) -> bool) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let ready = ["get", "deployment", SCALED, "--output", "jsonpath={.status.readyReplicas}"];
        let pods = cluster.kube.run(&ready).await?.trim().parse().unwrap_or(0);
        if is_met(pods) {
            return Ok(started.elapsed());
        }
        ensure!(started.elapsed() < SCALE_TIMEOUT, "{SCALED} has {pods} pods, not {what}, after {SCALE_TIMEOUT:?}");
        sleep(Duration::from_secs(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_parsed() {
        for (text, expected) in [("2", 2.0), ("1.5", 1.5), ("500m", 0.5), ("64Mi", 64.0 * MIB), ("1Gi", 1024.0 * MIB)] {
            assert!((quantity(text).unwrap() - expected).abs() < 1e-9, "{text}");
        }
        assert!(quantity("1Q").is_none() && quantity("").is_none());
    }

    #[test]
    fn use_is_compared_with_requests_and_limits() {
        let container = json!({
            "name": "service",
            "resources": {
                "requests": { "cpu": "100m", "memory": "64Mi" },
                "limits": { "cpu": "1", "memory": "128Mi" },
            },
        });
        let line = comparison("web", &container, Peak { memory: 20.0 * MIB, cpu: 0.25 }).unwrap();
        let expected =
            "web/service: 20 MiB of 128 (requested 64, sensible from 48), 0.25 CPUs of 1.00 (requested 0.10)";
        assert_eq!(line, expected);
    }
}
