//! Deploys the overlay: the first time, again without changes, with one service changed, and with the purchase that ends a
//! deployment to production. Under load, restarts all services, and rolls out the next release and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use testkit::tools::progress;
use tokio::process::Command;

use super::Cluster;
use super::gateway::GatewayForward;
use super::images::NEXT_RELEASE;
use super::kube::{SERVICE_SELECTOR, is_terminating, output, text};
use super::load::{Load, sell_one};
use super::operator::audit;

/// How long everything may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(300);
/// The service that is changed.
const CHANGED: &str = "web";

/// The password of the accounts that the purchase uses.
const SMOKE_TEST_PASSWORD: &str = "a password of this test alone";

/// Deploys an overlay as a release is deployed: with infra/ci/deploy.sh.
async fn deploy(cluster: &Cluster, gateway: &GatewayForward, overlay: &Path) -> Result<()> {
    output(deploy_command(cluster, gateway, overlay), "infra/ci/deploy.sh").await.map(drop)
}

fn deploy_command(cluster: &Cluster, gateway: &GatewayForward, overlay: &Path) -> Command {
    let mut command = cluster.kube.command("infra/ci/deploy.sh");
    command.arg(&cluster.overlay.images).arg(&cluster.overlay.shop).env("OVERLAY", overlay).env("TIMEOUT", "5m");
    gateway.redirect(&mut command);
    command
}

/// Applies the overlay, waits until everything is ready, checks that replicas are spread over nodes, and sells a
/// ticket.
pub(super) async fn initial_deploy(cluster: &Cluster) -> Result<()> {
    cluster.overlay.create_substitutes(&cluster.kube).await?;
    let manifests = render(cluster, &cluster.overlay.folder).await?;
    let applied = cluster.kube.apply(&manifests).await?;
    progress("Applied", &format!("{} objects", applied.lines().count()));
    let duration = cluster.kube.ready(READY_TIMEOUT).await?;
    let pods = cluster.kube.pods().await?.len();
    progress("Ready", &format!("{pods} pods, after {:.0} s", duration.as_secs_f32()));
    check_spread(cluster).await?;
    let gateway = GatewayForward::open(cluster).await?;
    let (_, duration) = sell_one(&gateway.connector).await?;
    progress("Sold", &format!("a ticket through the Gateway, in {:.1} s", duration.as_secs_f32()));
    Ok(())
}

/// Renders the overlay with pinned images, as infra/ci/deploy.sh does, and returns the file.
pub(super) async fn render(cluster: &Cluster, overlay: &Path) -> Result<PathBuf> {
    let mut command = cluster.kube.command("infra/ci/render.py");
    command.arg(&cluster.overlay.images).arg(overlay);
    let file = cluster.overlay.home.join("manifests.yaml");
    std::fs::write(&file, output(command, "infra/ci/render.py").await?)?;
    Ok(file)
}

/// Checks that no node has two pods of a service while another has none.
pub(super) async fn check_spread(cluster: &Cluster) -> Result<()> {
    let node_count = cluster.kube.schedulable_nodes().await?.len();
    let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in cluster.kube.get("pods", SERVICE_SELECTOR).await? {
        if is_terminating(&pod) {
            continue;
        }
        let label = pod.pointer("/metadata/labels").and_then(|labels| labels.get("app.kubernetes.io/name"));
        let name = label.and_then(Value::as_str).context("a pod of a service without the name label")?;
        nodes.entry(name.to_owned()).or_default().push(text(&pod, "/spec/nodeName")?.to_owned());
    }
    for (service, nodes) in &nodes {
        let distinct: BTreeSet<_> = nodes.iter().collect();
        ensure!(
            distinct.len() == nodes.len().min(node_count),
            "the pods of {service} are on {nodes:?}, although there are {node_count} nodes"
        );
    }
    progress("Spread", &format!("pods of {} services, over {node_count} nodes", nodes.len()));
    Ok(())
}

/// Checks that deploying without changes replaces no pod, and that changing one service replaces only its pods.
pub(super) async fn redeploy(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let before = cluster.kube.pods().await?;
    let manifests = render(cluster, &cluster.overlay.folder).await?;
    // The overlay is deployed by kubectl alone, by a first run of deploy.sh, and by a second one.
    cluster.kube.apply(&manifests).await?;
    deploy(cluster, &gateway, &cluster.overlay.folder).await?;
    deploy(cluster, &gateway, &cluster.overlay.folder).await?;
    // An autoscaler may have added some meanwhile.
    ensure!(cluster.kube.pods().await?.is_superset(&before), "pods were replaced without changes");
    progress("Deployed", &format!("again without changes: none of {} pods was replaced", before.len()));

    deploy(cluster, &gateway, &cluster.overlay.with_setting(CHANGED, "LOG", "info,stripe=warn")?).await?;
    cluster.kube.ready(READY_TIMEOUT).await?;
    let after = cluster.kube.pods().await?;
    let replaced: Vec<_> = before.difference(&after).map(|(name, _)| name.as_str()).collect();
    let of_service = |name: &&str| name.starts_with(&format!("{CHANGED}-"));
    let expected: Vec<_> = before.iter().map(|(name, _)| name.as_str()).filter(of_service).collect();
    ensure!(replaced == expected, "{CHANGED} was changed, and these pods were replaced: {replaced:?}");
    progress("Deployed", &format!("with {CHANGED} changed: only its {} pods were replaced", replaced.len()));
    deploy(cluster, &gateway, &cluster.overlay.folder).await?;
    cluster.kube.ready(READY_TIMEOUT).await.map(drop)
}

/// Deploys with the purchase that ends a deployment to production: `infra/ci/deploy.sh` buys a ticket of the seller that is
/// configured, and fails if anybody could see that listing.
pub(super) async fn deploy_with_purchase(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    // Each run has accounts of its own.
    let email = format!("smoke-test-{}@example.com", Timestamp::now().as_millisecond());
    let with_account = |command: &mut Command| {
        command.env("SMOKE_TEST_PASSWORD", SMOKE_TEST_PASSWORD).env("SMOKE_TEST_EMAIL", &email);
    };
    let mut sign_up = cluster.kube.command("infra/ci/purchase.py");
    sign_up.args([&cluster.overlay.shop, "sign-up"]);
    gateway.redirect(&mut sign_up);
    with_account(&mut sign_up);
    let setting = output(sign_up, "infra/ci/purchase.py").await?;
    let seller = setting.trim().strip_prefix("SMOKE_TEST_SELLER=").context("purchase.py printed no seller")?;
    let overlay = cluster.overlay.with_setting("tickets|web", "SMOKE_TEST_SELLER", seller)?;
    let mut command = deploy_command(cluster, &gateway, &overlay);
    with_account(&mut command);
    let said = output(command, "infra/ci/deploy.sh").await?;
    let bought = said.lines().find_map(|line| line.trim_start().strip_prefix("ok bought "));
    let bought = bought.with_context(|| format!("deploy.sh bought nothing:\n{said}"))?;
    progress("Deployed", &format!("with a purchase of {bought}"));
    deploy(cluster, &gateway, &cluster.overlay.folder).await?;
    cluster.kube.ready(READY_TIMEOUT).await.map(drop)
}

/// Rolls out all services at once under load.
pub(super) async fn roll_out(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let load = Load::start(&gateway.connector);
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster.kube.run(&["rollout", "restart", "deployment", "--selector", SERVICE_SELECTOR]).await?;
    let duration = rolled_out(cluster).await?;
    let outcome = stop_load(load, "while all services were rolled out").await?;
    progress("Rolled out", &format!("all services in {:.0} s: {outcome}", duration.as_secs_f32()));
    Ok(())
}

/// Stops the load, and returns its numbers of requests and purchases. Fails if any of them failed.
async fn stop_load(load: Load, when: &'static str) -> Result<String> {
    let (requests, purchases, cost) = load.stop().await.context(when)?;
    ensure!(cost.failed == 0, "{when}: {cost}");
    Ok(format!("0 of {requests} requests and 0 of {purchases} purchases failed"))
}

/// Waits until a rollout that has just begun is over, and returns how long it took.
pub(super) async fn rolled_out(cluster: &Cluster) -> Result<Duration> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let duration = cluster.kube.ready(READY_TIMEOUT).await?;
    // Terminating pods still serve for a moment.
    tokio::time::sleep(Duration::from_secs(10)).await;
    Ok(duration)
}

/// Rolls out the next release of all services under load, and rolls it back, so that instances of both releases run at
/// once. The events of the next release have fields that the present one does not know.
pub(super) async fn mix_releases(cluster: &Cluster, has_images: bool) -> Result<()> {
    if !has_images {
        progress("Skipped", "two releases at once: without --next-release there are images of one");
        return Ok(());
    }
    let gateway = GatewayForward::open(cluster).await?;
    let load = Load::start(&gateway.connector);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let services = cluster.kube.workloads(SERVICE_SELECTOR).await?;
    for workload in services.keys() {
        let name = workload.trim_start_matches("deployment/");
        let image = format!("service=ticketing/{name}:{NEXT_RELEASE}");
        cluster.kube.run(&["set", "image", workload, &image]).await?;
    }
    rolled_out(cluster).await.context("while the next release was rolled out")?;
    for workload in services.keys() {
        cluster.kube.run(&["rollout", "undo", workload]).await?;
    }
    rolled_out(cluster).await.context("while the next release was rolled back")?;
    let outcome = stop_load(load, "while two releases ran at once").await?;
    progress("Mixed", &format!("two releases of {} services, forward and back: {outcome}", services.len()));
    progress("Audited", &audit(cluster).await?);
    Ok(())
}
