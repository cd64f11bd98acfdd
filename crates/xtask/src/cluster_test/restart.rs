//! Stops everything and starts it in any order: everything must recover by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::tools::progress;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::gateway::GatewayForward;
use super::kube::{FLEET_SELECTOR, SERVICE_SELECTOR};
use super::load::sell_one;
use super::operator::audit;
use crate::cargo::run;

/// How long it may take until everything is ready and a ticket is sold.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);
/// Delay between the start of the first and of the second group, where one group is the services and the other is the
/// servers (databases, NATS, Redis).
const START_DELAY: Duration = Duration::from_secs(25);

/// The order in which everything is started.
#[derive(Debug, Clone, Copy)]
enum StartOrder {
    AllAtOnce,
    ServicesFirst,
    ServersFirst,
}

/// Restarts everything in three orders. If there is a command that restarts the whole cluster, also runs it three
/// times. After each restart, everything must become ready and a ticket must be sold.
pub(super) async fn restart_all(cluster: &Cluster, command: Option<&str>) -> Result<()> {
    let all = cluster.kube.workloads(FLEET_SELECTOR).await?;
    for order in [StartOrder::AllAtOnce, StartOrder::ServicesFirst, StartOrder::ServersFirst] {
        let outcome = stop_and_start(cluster, &all, order).await.with_context(|| format!("{order:?}"));
        // Scale everything up again, even after a failure.
        cluster.kube.scale(&all).await?;
        outcome?;
    }
    if let Some(command) = command {
        restart_cluster(cluster, command).await?;
    }
    progress("Audited", &audit(cluster).await?);
    Ok(())
}

/// Runs a command that restarts the whole cluster three times.
async fn restart_cluster(cluster: &Cluster, command: &str) -> Result<()> {
    for time in ["first", "second", "third"] {
        let before = cluster.kube.containers().await?;
        let mut restart = Command::new("bash");
        let log = std::fs::File::create(cluster.overlay.home.join("restart.log"))?;
        restart.args(["-c", command]).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        run(restart, "restarting the cluster (see target/cluster-test/restart.log)").await?;
        // At first, the API server still reports the old containers.
        let started = Instant::now();
        while !cluster.kube.containers().await?.is_disjoint(&before) {
            ensure!(started.elapsed() < RECOVERY_TIMEOUT, "not every container was restarted");
            sleep(Duration::from_millis(500)).await;
        }
        wait_for_recovery(cluster, &format!("the whole cluster, for the {time} time")).await?;
    }
    Ok(())
}

async fn stop_and_start(cluster: &Cluster, all: &BTreeMap<String, i64>, order: StartOrder) -> Result<()> {
    let kube = &cluster.kube;
    let services = kube.workloads(SERVICE_SELECTOR).await?;
    let (services, servers): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.clone().into_iter().partition(|(workload, _)| services.contains_key(workload));
    kube.scale(&all.keys().map(|workload| (workload.clone(), 0)).collect()).await?;
    kube.wait_until_no_pods(RECOVERY_TIMEOUT).await?;
    let (label, first, second) = match order {
        StartOrder::AllAtOnce => ("at once", all, None),
        StartOrder::ServicesFirst => ("the services first", &services, Some(&servers)),
        StartOrder::ServersFirst => ("the servers first", &servers, Some(&services)),
    };
    kube.scale(first).await?;
    if let Some(second) = second {
        sleep(START_DELAY).await;
        kube.scale(second).await?;
    }
    wait_for_recovery(cluster, &format!("everything, {label}")).await
}

/// Waits until everything is ready and sells a ticket.
async fn wait_for_recovery(cluster: &Cluster, what: &str) -> Result<()> {
    let started = Instant::now();
    cluster.kube.ready(RECOVERY_TIMEOUT).await.with_context(|| what.to_owned())?;
    let ready = started.elapsed();
    let gateway = GatewayForward::open(cluster).await?;
    sell_one(&gateway.connector).await.with_context(|| what.to_owned())?;
    let sold = started.elapsed();
    ensure!(sold < RECOVERY_TIMEOUT, "{what}: a ticket was sold only after {sold:?}");
    let (ready, sold) = (ready.as_secs_f32(), sold.as_secs_f32());
    progress("Restarted", &format!("{what}: ready after {ready:.0} s, a ticket sold after {sold:.0} s"));
    Ok(())
}
