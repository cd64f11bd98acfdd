//! Takes nodes away while visitors buy: each is drained in turn, and one is lost without warning.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::tools::progress;
use tokio::time::{Instant, sleep, timeout};

use super::Cluster;
use super::deploy::check_spread;
use super::gateway::{GATEWAY_SELECTOR, GatewayForward};
use super::kills::{FAKESTRIPE, primary};
use super::kube::{FLEET_SELECTOR, NAMESPACE, Node, SERVICE_SELECTOR, ZONE_LABEL, text};
use super::load::{Load, sell_one};
use super::operator::audit;
use super::shell;

/// How long everything may take to become ready after a node is back.
const READY_TIMEOUT: Duration = Duration::from_secs(600);
/// Maximum time after the loss of a node until a ticket can be sold again.
const LOSS_TIMEOUT: Duration = Duration::from_secs(180);
/// How long the load runs before a change, and after it.
const SETTLE: Duration = Duration::from_secs(5);

/// Runs the tests that need three nodes. `lose` and `revive` are the commands that kill a node and start it again.
pub(super) async fn change_nodes(cluster: &Cluster, lose: Option<&str>, revive: Option<&str>) -> Result<()> {
    let nodes = cluster.kube.schedulable_nodes().await?;
    if nodes.len() < 3 {
        progress("Skipped", &format!("draining and losing nodes: there are {} of three", nodes.len()));
        return Ok(());
    }
    spread_over_zones(cluster, &nodes).await?;
    for Node { name: node, .. } in &nodes {
        let outcome = drain(cluster, node).await.with_context(|| format!("draining {node}"));
        cluster.kube.run(&["uncordon", node]).await?;
        outcome?;
        cluster.kube.ready(READY_TIMEOUT).await?;
    }
    match (lose, revive) {
        (Some(lose), Some(revive)) => lose_node(cluster, lose, revive).await.context("losing a node")?,
        _ => progress("Skipped", "losing a node: --lose and --revive are not given"),
    }
    progress("Audited", &audit(cluster).await?);
    Ok(())
}

/// Checks that replicas are also spread if the nodes have zone labels, or have none.
async fn spread_over_zones(cluster: &Cluster, nodes: &[Node]) -> Result<()> {
    let has_zones = nodes.iter().all(|node| node.zone.is_some());
    let unset = format!("{ZONE_LABEL}-");
    progress(
        "Changing",
        if has_zones { "the nodes to have no zone labels" } else { "the nodes to have one zone each" },
    );
    for Node { name, .. } in nodes {
        let label = if has_zones { unset.clone() } else { format!("{ZONE_LABEL}=zone-of-{name}") };
        cluster.kube.run(&["label", "--overwrite", "node", name, &label]).await?;
    }
    let rollout = ["rollout", "restart", "deployment", "--selector", SERVICE_SELECTOR];
    let outcome = async {
        cluster.kube.run(&rollout).await?;
        cluster.kube.ready(READY_TIMEOUT).await?;
        check_spread(cluster).await
    };
    let outcome = outcome.await;
    for Node { name, zone } in nodes {
        let label = zone.as_ref().map_or_else(|| unset.clone(), |zone| format!("{ZONE_LABEL}={zone}"));
        cluster.kube.run(&["label", "--overwrite", "node", name, &label]).await?;
    }
    outcome
}

/// Drains a node under load: evicts the fleet's pods, and leaves it cordoned.
async fn drain(cluster: &Cluster, node: &str) -> Result<()> {
    clear(cluster, node).await?;
    let gateway = GatewayForward::open(cluster).await?;
    let load = Load::start(&gateway.connector);
    sleep(SETTLE).await;
    let started = Instant::now();
    let drain = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector", FLEET_SELECTOR];
    cluster.kube.run(&[&drain[..], &["--timeout", "300s"]].concat()).await?;
    let duration = started.elapsed().as_secs_f32();
    sleep(SETTLE).await;
    let (requests, purchases, cost) = load.stop().await?;
    let during = format!("in {duration:.0} s, during {requests} requests and {purchases} purchases");
    progress("Drained", &format!("{node} {during}: {cost}"));
    Ok(())
}

/// Cordons a node and moves what is not part of the deployment, or has its state in memory, to other nodes: the
/// Gateway and its control plane, the cluster's DNS and fakestripe. Of those it is not tested what their loss costs.
async fn clear(cluster: &Cluster, node: &str) -> Result<()> {
    cluster.kube.run(&["cordon", node]).await?;
    // The cluster's DNS may tolerate that, and come back to this node.
    let taint = "cluster-test:PreferNoSchedule";
    cluster.kube.run(&["taint", "nodes", node, taint, "--overwrite"]).await?;
    let outcome = move_pods(cluster, node).await;
    cluster.kube.run(&["taint", "nodes", node, &format!("{taint}-")]).await?;
    outcome
}

async fn move_pods(cluster: &Cluster, node: &str) -> Result<()> {
    let fakestripe = format!("app.kubernetes.io/name={FAKESTRIPE}");
    let moved = [
        (NAMESPACE, GATEWAY_SELECTOR),
        ("nginx-gateway", "app.kubernetes.io/name=nginx-gateway"),
        (NAMESPACE, fakestripe.as_str()),
        ("kube-system", "k8s-app=kube-dns"),
    ];
    for (namespace, selector) in moved {
        let kube = cluster.kube.in_namespace(namespace);
        let selected = ["--selector", selector];
        let field = format!("spec.nodeName={node}");
        let here = ["--field-selector", field.as_str()];
        let found = kube.run(&[&["get", "pods", "--output", "name"][..], &selected, &here].concat()).await?;
        if found.is_empty() {
            continue;
        }
        kube.run(&[&["delete", "pods"][..], &selected, &here].concat()).await?;
        let started = Instant::now();
        let state =
            r#"jsonpath={range .items[*]}{.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
        let pods = [&["get", "pods"][..], &selected, &["--output", state]].concat();
        loop {
            let listed = kube.run(&pods).await?;
            let is_elsewhere = |line: &str| line.ends_with(" True") && !line.starts_with(&format!("{node} "));
            if !listed.is_empty() && listed.lines().all(is_elsewhere) {
                break;
            }
            ensure!(started.elapsed() < LOSS_TIMEOUT, "the pods {selector} do not run on other nodes:\n{listed}");
            sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// Kills the node of MongoDB's primary without warning, sells a ticket, and starts the node again.
async fn lose_node(cluster: &Cluster, lose: &str, revive: &str) -> Result<()> {
    let primary = primary(cluster).await?;
    let pod: Value = serde_json::from_str(&cluster.kube.run(&["get", "pod", &primary, "--output", "json"]).await?)?;
    let node = text(&pod, "/spec/nodeName")?;
    let cleared = clear(cluster, node).await;
    cluster.kube.run(&["uncordon", node]).await?;
    cleared?;
    let gateway = GatewayForward::open(cluster).await?;
    let load = Load::start(&gateway.connector);
    sleep(SETTLE).await;
    let before = cluster.kube.containers_on(node).await?;
    shell::run(lose, &[node]).await?;
    let lost = sell_soon(&gateway).await;
    let outcome = load.stop().await;
    shell::run(revive, &[node]).await?;
    let (lost, (requests, purchases, cost)) = (lost?, outcome?);
    let (lost, during) = (lost.as_secs_f32(), format!("during {requests} requests and {purchases} purchases"));
    progress(
        "Lost",
        &format!("{node}, with the primary of MongoDB, {during}: {cost}; sold without a failure after {lost:.0} s"),
    );
    // At first, the API server still reports the old containers.
    let started = Instant::now();
    while !cluster.kube.containers().await?.is_disjoint(&before) {
        ensure!(started.elapsed() < READY_TIMEOUT, "not every container of {node} was started again");
        sleep(Duration::from_secs(1)).await;
    }
    let duration = cluster.kube.ready(READY_TIMEOUT).await?;
    sell_one(&GatewayForward::open(cluster).await?.connector).await.context("after the node was revived")?;
    progress("Revived", &format!("{node}: everything was ready after {:.0} s", duration.as_secs_f32()));
    Ok(())
}

/// Waits until a ticket is sold without a failed request, and returns how long that took.
async fn sell_soon(gateway: &GatewayForward) -> Result<Duration> {
    let started = Instant::now();
    loop {
        match timeout(Duration::from_secs(30), sell_one(&gateway.connector)).await {
            Ok(Ok(_)) => return Ok(started.elapsed()),
            failed if started.elapsed() > LOSS_TIMEOUT => {
                failed.context("a sale takes longer than 30 s")??;
            }
            _ => sleep(Duration::from_secs(1)).await,
        }
    }
}
