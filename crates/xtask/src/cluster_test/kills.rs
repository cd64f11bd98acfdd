//! Kills every pod while visitors buy, and reports what each kill cost them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::tools::progress;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::forward::Forward;
use super::gateway::GatewayForward;
use super::kube::text;
use super::load::{Cost, Load};
use super::operator::{audit, mongosh};
use super::shell::on_node;

/// How long everything may take to become ready again.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the load runs before the first kill, and after each recovery.
const SETTLE: Duration = Duration::from_secs(5);
/// The port at which a NATS server reports its state.
const NATS_MONITOR: u16 = 8222;
/// Stripe's stand-in, which has its state in memory.
pub(super) const FAKESTRIPE: &str = "fakestripe";

/// Kills every pod but fakestripe's without grace, one after another. `command` runs a command on a node: with it, the
/// processes are killed, as in a crash; without it, the pods are deleted without a grace period.
pub(super) async fn kill_each(cluster: &Cluster, command: Option<&str>) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let mut load = Load::start(&gateway.connector);
    sleep(SETTLE).await;
    let mut roles = BTreeSet::new();
    let pods = cluster.kube.pods().await?;
    for (name, _) in pods.iter().filter(|(name, _)| !name.starts_with(FAKESTRIPE)) {
        // An autoscaler may have removed it meanwhile.
        if !cluster.kube.pods().await?.iter().any(|(current, _)| current == name) {
            continue;
        }
        let role = role(cluster, name).await?;
        let killed = kill(cluster, name, command).await.with_context(|| format!("killing {name}"))?;
        let cost = recovered(cluster, &mut load, &killed).await.with_context(|| format!("after {name} was killed"))?;
        progress("Killed", &format!("{name}{}: {cost}", role.map(|role| format!(", {role}")).unwrap_or_default()));
        roles.extend(role);
    }
    let (requests, purchases, _) = load.stop().await?;
    ensure!(roles.contains(PRIMARY) && roles.contains(LEADER), "of the leading servers, only {roles:?} were killed");
    progress(
        "Killed",
        &format!("all pods during {requests} requests and {purchases} purchases, all of them completed"),
    );
    progress("Audited", &audit(cluster).await?);
    Ok(())
}

const PRIMARY: &str = "the primary of MongoDB";
const LEADER: &str = "the leader of NATS";

/// The role of a server that others depend on.
async fn role(cluster: &Cluster, pod: &str) -> Result<Option<&'static str>> {
    if pod.starts_with("mongodb-") {
        return Ok((primary(cluster).await? == pod).then_some(PRIMARY));
    }
    if !pod.starts_with("nats-") {
        return Ok(None);
    }
    let forward = Forward::open(&cluster.kube, &format!("pod/{pod}"), &[NATS_MONITOR]).await?;
    let address = forward.addresses.first().context("no port of NATS is forwarded")?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let state: Value = client.get(format!("http://{address}/jsz")).send().await?.json().await?;
    // A single server is in no cluster. During an election a cluster has no leader.
    let is_leader = state.get("meta_cluster").is_none_or(|meta| meta.get("leader").is_some_and(|name| name == pod));
    Ok(is_leader.then_some(LEADER))
}

/// The pod of MongoDB's primary.
pub(super) async fn primary(cluster: &Cluster) -> Result<String> {
    let host = mongosh(cluster, "print(admin.runCommand({ hello: 1 }).primary)").await?;
    Ok(host.split('.').next().unwrap_or_default().to_owned())
}

/// Kills a pod, and returns the ids of its containers.
async fn kill(cluster: &Cluster, name: &str, command: Option<&str>) -> Result<BTreeSet<String>> {
    let pod: Value = serde_json::from_str(&cluster.kube.run(&["get", "pod", name, "--output", "json"]).await?)?;
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let ids: BTreeSet<_> =
        statuses.filter_map(|status| Some(status.get("containerID")?.as_str()?.to_owned())).collect();
    let Some(command) = command else {
        cluster.kube.run(&["delete", "pod", name, "--grace-period", "0", "--force"]).await?;
        return Ok(ids);
    };
    // The id of a container, after `containerd://`, is in the name of its control group.
    let patterns: Vec<_> = ids.iter().filter_map(|id| Some(format!("-e {}", id.split("//").nth(1)?))).collect();
    ensure!(!patterns.is_empty(), "{name} has no running container");
    let script = format!(
        "grep --files-with-matches {} /proc/[0-9]*/cgroup 2> /dev/null | cut -d / -f 3 \
         | xargs --no-run-if-empty kill -KILL || true",
        patterns.join(" ")
    );
    on_node(command, text(&pod, "/spec/nodeName")?, &script).await?;
    Ok(ids)
}

/// Waits until none of these containers is left and everything is ready, and returns what that cost the visitors.
async fn recovered(cluster: &Cluster, load: &mut Load, killed: &BTreeSet<String>) -> Result<Cost> {
    let started = Instant::now();
    while !cluster.kube.containers().await?.is_disjoint(killed) {
        ensure!(started.elapsed() < READY_TIMEOUT, "the containers were not replaced");
        sleep(Duration::from_millis(500)).await;
    }
    cluster.kube.ready(READY_TIMEOUT).await?;
    sleep(SETTLE).await;
    load.take_cost()
}
