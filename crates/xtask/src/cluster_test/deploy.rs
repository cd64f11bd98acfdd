//! Deploying: for the first time, again with nothing changed, with one service changed, and rolling out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Cluster;
use super::gateway::Way;
use super::kube::{SERVICES, output, say, text};
use super::shoppers::{Crowd, sell_one};

/// How long everything may take to be ready for the first time.
const FIRST: Duration = Duration::from_secs(300);
/// The service that is changed.
const CHANGED: &str = "web";

/// As a release is deployed: by infra/ci/deploy.sh.
async fn deploy(cluster: &Cluster, way: Option<&Way>, overlay: &Path) -> Result<()> {
    let mut command = cluster.kube.command("infra/ci/deploy.sh");
    command.arg(&cluster.overlay.images).arg(&cluster.overlay.shop).env("OVERLAY", overlay).env("TIMEOUT", "5m");
    if let Some(way) = way {
        command.env("CURL_HOME", &way.curl_home);
    }
    output(command, "infra/ci/deploy.sh").await?;
    Ok(())
}

/// The overlay is applied, all of it is ready, replicas are on nodes of their own, and a ticket is sold.
pub(super) async fn first(cluster: &Cluster) -> Result<()> {
    cluster.overlay.make_what_is_missing(&cluster.kube).await?;
    let manifests = render(cluster, &cluster.overlay.folder).await?;
    let said = cluster.kube.apply(&manifests).await?;
    say("Applied", &format!("{} objects", said.lines().count()));
    let took = cluster.kube.ready(FIRST).await?;
    say("Ready", &format!("{} pods, after {:.0} s", cluster.kube.pods().await?.len(), took.as_secs_f32()));
    spread(cluster).await?;
    let way = Way::open(cluster).await?;
    let (_, took) = sell_one(cluster, &way).await?;
    say("Sold", &format!("a ticket through the Gateway, in {:.1} s", took.as_secs_f32()));
    Ok(())
}

/// The overlay with its images pinned, as infra/ci/deploy.sh applies it; a file.
async fn render(cluster: &Cluster, overlay: &Path) -> Result<std::path::PathBuf> {
    let mut command = cluster.kube.command("infra/ci/render.py");
    command.arg(&cluster.overlay.images).arg(overlay);
    let file = cluster.overlay.home.join("manifests.yaml");
    std::fs::write(&file, output(command, "infra/ci/render.py").await?)?;
    Ok(file)
}

/// No node has two pods of a service while another has none.
async fn spread(cluster: &Cluster) -> Result<()> {
    let nodes = cluster.kube.run(&["get", "nodes", "--no-headers"]).await?.lines().count();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in cluster.kube.get("pods", SERVICES).await? {
        let label = pod.pointer("/metadata/labels").and_then(|labels| labels.get("app.kubernetes.io/name"));
        let name = label.and_then(Value::as_str).context("a pod of a service without its name")?;
        places.entry(name.to_owned()).or_default().push(text(&pod, "/spec/nodeName")?.to_owned());
    }
    for (service, places) in &places {
        let different: BTreeSet<_> = places.iter().collect();
        ensure!(
            different.len() == places.len().min(nodes),
            "the pods of {service} are on {places:?}, and there are {nodes} nodes"
        );
    }
    say("Spread", &format!("pods of {} services, over {nodes} nodes", places.len()));
    Ok(())
}

/// Whoever deploys what is there replaces nothing; whoever changes one service replaces its pods alone.
pub(super) async fn again(cluster: &Cluster) -> Result<()> {
    let way = Way::open(cluster).await?;
    let before = cluster.kube.pods().await?;
    let manifests = render(cluster, &cluster.overlay.folder).await?;
    cluster.kube.apply(&manifests).await?;
    deploy(cluster, Some(&way), &cluster.overlay.folder).await?;
    deploy(cluster, Some(&way), &cluster.overlay.folder).await?;
    ensure!(cluster.kube.pods().await? == before, "pods were replaced with nothing changed");
    say("Deployed", &format!("again with nothing changed: none of {} pods was replaced", before.len()));

    deploy(cluster, Some(&way), &cluster.overlay.with_change_of(CHANGED)?).await?;
    cluster.kube.ready(FIRST).await?;
    let after = cluster.kube.pods().await?;
    let gone: Vec<_> = before.difference(&after).map(|(name, _)| name.as_str()).collect();
    let all: Vec<_> =
        before.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(&format!("{CHANGED}-"))).collect();
    ensure!(gone == all, "{CHANGED} was changed, and these pods were replaced: {gone:?}");
    say("Deployed", &format!("with {CHANGED} changed: its {} pods were replaced and no other", gone.len()));
    deploy(cluster, Some(&way), &cluster.overlay.folder).await?;
    cluster.kube.ready(FIRST).await?;
    Ok(())
}

/// Every service at once, while people buy.
pub(super) async fn roll_out(cluster: &Cluster) -> Result<()> {
    let way = Way::open(cluster).await?;
    let crowd = Crowd::enter(cluster, &way).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster.kube.run(&["rollout", "restart", "deployment", "--selector", SERVICES]).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let took = cluster.kube.ready(FIRST).await?;
    // Those who are replaced serve for a moment more.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (requests, purchases) = crowd.leave().await.context("while every service was rolled out")?;
    say(
        "Rolled out",
        &format!(
            "every service in {:.0} s: 0 of {requests} requests and 0 of {purchases} purchases failed",
            took.as_secs_f32()
        ),
    );
    Ok(())
}
