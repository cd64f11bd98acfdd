//! Everything stopped, and started in any order: all of it comes back by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::gateway::Way;
use super::kube::{SERVICES, say};
use super::shoppers::sell_one;
use crate::cargo::run;

/// How long it may take until all is ready and a ticket is sold.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much later the second half is started.
const LATER: Duration = Duration::from_secs(25);

/// In which order it is started.
#[derive(Debug, Clone, Copy)]
enum Order {
    AllAtOnce,
    ServicesFirst,
    ServersFirst,
}

/// Three times, in three orders; and three times by the command, if there is one.
pub(super) async fn everything(cluster: &Cluster, restart: Option<&str>) -> Result<()> {
    let all = cluster.kube.all().await?;
    for order in [Order::AllAtOnce, Order::ServicesFirst, Order::ServersFirst] {
        let outcome = stop_and_start(cluster, &all, order).await.with_context(|| format!("{order:?}"));
        // Whatever it was, not everything is to be left stopped.
        cluster.kube.scale(&all).await?;
        outcome?;
    }
    for time in ["first", "second", "third"].into_iter().filter(|_| restart.is_some()) {
        let before = cluster.kube.containers().await?;
        let mut command = Command::new("bash");
        let log = std::fs::File::create(cluster.overlay.home.join("restart.log"))?;
        command.args(["-c", restart.unwrap_or_default()]).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        run(command, "restarting the cluster (see target/cluster-test/restart.log)").await?;
        // What the API server knows at first is what was before.
        let began = Instant::now();
        while !cluster.kube.containers().await?.is_disjoint(&before) {
            ensure!(began.elapsed() < PATIENCE, "not every container was started again");
            sleep(Duration::from_millis(500)).await;
        }
        come_back(cluster, &format!("the whole cluster, for the {time} time")).await?;
    }
    Ok(())
}

async fn stop_and_start(cluster: &Cluster, all: &BTreeMap<String, i64>, order: Order) -> Result<()> {
    let kube = &cluster.kube;
    let services = kube.workloads(SERVICES).await?;
    let (services, servers): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.clone().into_iter().partition(|(workload, _)| services.contains_key(workload));
    kube.scale(&all.keys().map(|workload| (workload.clone(), 0)).collect()).await?;
    kube.gone(PATIENCE).await?;
    match order {
        Order::AllAtOnce => kube.scale(all).await?,
        Order::ServicesFirst => {
            kube.scale(&services).await?;
            sleep(LATER).await;
            kube.scale(&servers).await?;
        }
        Order::ServersFirst => {
            kube.scale(&servers).await?;
            sleep(LATER).await;
            kube.scale(&services).await?;
        }
    }
    come_back(cluster, &format!("everything, {}", how(order))).await
}

fn how(order: Order) -> &'static str {
    match order {
        Order::AllAtOnce => "at once",
        Order::ServicesFirst => "the services first",
        Order::ServersFirst => "the servers first",
    }
}

/// Waits until all is ready and a ticket is sold.
async fn come_back(cluster: &Cluster, what: &str) -> Result<()> {
    let began = Instant::now();
    cluster.kube.ready(PATIENCE).await.with_context(|| what.to_owned())?;
    let ready = began.elapsed();
    let way = Way::open(cluster).await?;
    sell_one(cluster, &way).await.with_context(|| what.to_owned())?;
    let took = began.elapsed();
    ensure!(took < PATIENCE, "{what}: a ticket was sold after {took:?} only");
    say(
        "Restarted",
        &format!("{what}: ready after {:.0} s, a ticket sold after {:.0} s", ready.as_secs_f32(), took.as_secs_f32()),
    );
    Ok(())
}
