//! Restores a backup after the loss of a database, and replaces a member whose disk is lost. After a restore the audit
//! must pass, orders that were open when the backup was made can be paid, and later charges are refunded.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::tools::progress;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::gateway::GatewayForward;
use super::load::{Load, Traders, sell_one};
use super::operator::{audit, mongosh, operate};

/// How long everything may take to become ready again.
const READY_TIMEOUT: Duration = Duration::from_secs(300);
/// Claim and pod of each server whose disk is deleted. The first members are the ones that set the others up.
const DISKS: [(&str, &str); 2] = [("data-mongodb-0", "mongodb-0"), ("data-nats-0", "nats-0")];

pub(super) async fn restore(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let traders = Traders::sign_up(&gateway.connector).await?;
    let kept = traders.sell().await?;
    // Two orders are open when the backup is made. One is paid before the loss, so the charge is unknown to the backup.
    let open = traders.hold(traders.list().await?).await?;
    let paid_meanwhile = traders.hold(traders.list().await?).await?;
    let printed = operate(cluster, "ticketctl.sh", &["backup"]).await?;
    let summary = printed.lines().find_map(|line| line.split_once(": ")).context("the backup printed no summary")?.1;
    progress("Backed up", summary);
    traders.pay(paid_meanwhile).await?;
    let lost = sell_one(&gateway.connector).await?.0;

    mongosh(cluster, "admin.getSiblingDB('orders').dropDatabase({ w: 'majority' });").await?;
    progress("Dropped", "the database of orders");
    let printed = operate(cluster, "restore.sh", &["--yes"]).await?;
    let is_settled = |line: &str| line.starts_with("2 charges and authorisations");
    ensure!(printed.lines().any(is_settled), "the two charges after the backup were not refunded:\n{printed}");
    ensure!(printed.contains("the audit passed"), "no audit passed:\n{printed}");
    cluster.kube.ready(READY_TIMEOUT).await?;
    let after = GatewayForward::open(cluster).await?;
    sell_one(&after.connector).await.context("after the restore")?;
    for order in [open, paid_meanwhile] {
        traders.pay(order).await.context("an order that was open when the backup was made")?;
    }
    progress("Settled", "two orders that were open when the backup was made: both were paid");
    let audited = audit(cluster).await?;
    let (kept, lost) = (kept.to_string(), lost.to_string());
    check_operator(cluster, &kept).await?;
    let found = existing_orders(cluster, &[&kept, &lost]).await?;
    ensure!(found == kept, "of the orders {kept} and {lost}, {found:?} exist; only the first should");
    progress("Restored", &audited);
    Ok(())
}

/// Deletes the disk of one member of MongoDB and of one of NATS under load. Each gets a new disk and the data of the
/// other members.
pub(super) async fn lose_disks(cluster: &Cluster) -> Result<()> {
    let members = cluster.kube.workloads("app.kubernetes.io/name=mongodb").await?.values().sum::<i64>();
    if members < 3 {
        progress("Skipped", "losing a disk: MongoDB has one member here, whose disk only a backup could replace");
        return Ok(());
    }
    for (claim, pod) in DISKS {
        let gateway = GatewayForward::open(cluster).await?;
        let load = Load::start(&gateway.connector);
        sleep(Duration::from_secs(5)).await;
        let uid = claim_uid(cluster, claim).await?;
        let started = Instant::now();
        cluster.kube.run(&["delete", "persistentvolumeclaim", claim, "--wait=false"]).await?;
        cluster.kube.run(&["delete", "pod", pod]).await?;
        // The claim is deleted once no pod uses it; then the StatefulSet creates a new claim and a new pod.
        while claim_uid(cluster, claim).await.is_ok_and(|current| current == uid) {
            ensure!(started.elapsed() < READY_TIMEOUT, "the claim {claim} was not replaced");
            sleep(Duration::from_millis(500)).await;
        }
        cluster.kube.ready(READY_TIMEOUT).await.with_context(|| format!("after the disk of {pod} was deleted"))?;
        let duration = started.elapsed().as_secs_f32();
        let (requests, purchases, cost) = load.stop().await?;
        let during = format!("during {requests} requests and {purchases} purchases");
        progress("Replaced", &format!("the disk of {pod}, in {duration:.0} s, {during}: {cost}"));
    }
    progress("Audited", &audit(cluster).await?);
    Ok(())
}

async fn claim_uid(cluster: &Cluster, claim: &str) -> Result<String> {
    cluster.kube.run(&["get", "persistentvolumeclaim", claim, "--output", "jsonpath={.metadata.uid}"]).await
}

/// Runs the commands that need NATS and the services' admin ports. `order` is a completed order.
async fn check_operator(cluster: &Cluster, order: &str) -> Result<()> {
    for (arguments, expected) in [
        (&["follow", order][..], "completed"),
        (&["dead-letters", "list"], " dead letters"),
        (&["resync", "tickets"], " tickets announced"),
        (&["rebuild", "web"], "pages read generation "),
    ] {
        let printed = operate(cluster, "ticketctl.sh", arguments).await?;
        ensure!(printed.contains(expected), "ticketctl.sh {} printed no `{expected}`:\n{printed}", arguments.join(" "));
    }
    Ok(())
}

/// Returns which of these orders exist.
async fn existing_orders(cluster: &Cluster, ids: &[&str]) -> Result<String> {
    let find = format!(
        "print(admin.getSiblingDB('orders').orders.find({{ _id: {{ $in: {ids:?} }} }}).toArray()\
         .map((order) => order._id).join());"
    );
    mongosh(cluster, &find).await
}
