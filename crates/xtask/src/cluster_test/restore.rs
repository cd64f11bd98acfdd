//! Restores a backup after the loss of a database. The audit must pass, and a purchase made after the backup must be
//! refunded.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::tools::progress;

use super::Cluster;
use super::gateway::GatewayForward;
use super::kube::output;
use super::load::sell_one;

/// How long everything may take to become ready again.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// Drops the database of `orders`, as root, on whichever member is primary.
const DROP_ORDERS_JS: &str = r"
const hosts = db.getSiblingDB('admin').runCommand({ hello: 1 }).hosts.join();
const login = `root:${encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD)}`;
new Mongo(`mongodb://${login}@${hosts}/?replicaSet=rs0`).getDB('orders').dropDatabase({ w: 'majority' });
";

pub(super) async fn restore(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let kept = sell_one(cluster, &gateway).await?.0.to_string();
    let printed = operate(cluster, "ticketctl.sh", &["backup"]).await?;
    let summary = printed.lines().last().and_then(|line| line.split_once(": ")).map_or("", |(_, summary)| summary);
    progress("Backed up", summary);
    let lost = sell_one(cluster, &gateway).await?.0.to_string();

    mongosh(cluster, DROP_ORDERS_JS).await?;
    progress("Dropped", "the database of orders");
    let printed = operate(cluster, "restore.sh", &["--yes"]).await?;
    let is_settled = |line: &str| line.starts_with("1 charges and authorisations");
    ensure!(printed.lines().any(is_settled), "the charge after the backup was not refunded:\n{printed}");
    ensure!(printed.contains("the audit passed"), "no audit passed:\n{printed}");
    cluster.kube.ready(READY_TIMEOUT).await?;
    let gateway = GatewayForward::open(cluster).await?;
    sell_one(cluster, &gateway).await.context("after the restore")?;
    let audited = operate(cluster, "ticketctl.sh", &["audit"]).await?;
    check_operator(cluster).await?;
    let found = existing_orders(cluster, &[&kept, &lost]).await?;
    ensure!(found == kept, "of the orders {kept} and {lost}, {found:?} exist; only the first should");
    progress("Restored", audited.trim());
    Ok(())
}

/// Runs the commands that need NATS and the services' admin ports.
async fn check_operator(cluster: &Cluster) -> Result<()> {
    for (arguments, expected) in [
        (&["dead-letters", "list"][..], " dead letters"),
        (&["resync", "tickets"], " tickets announced"),
        (&["rebuild", "web"], "pages read generation "),
    ] {
        let printed = operate(cluster, "ticketctl.sh", arguments).await?;
        ensure!(printed.contains(expected), "ticketctl.sh {} printed no `{expected}`:\n{printed}", arguments.join(" "));
    }
    Ok(())
}

/// Runs a script of infra/operations and returns its output.
async fn operate(cluster: &Cluster, script: &str, arguments: &[&str]) -> Result<String> {
    let mut command = cluster.kube.command(format!("infra/operations/{script}"));
    command.args(arguments);
    output(command, script).await
}

/// Returns which of these orders exist.
async fn existing_orders(cluster: &Cluster, ids: &[&str]) -> Result<String> {
    // The first lines of the script define `hosts` and `login`.
    let find = format!(
        "{} print(new Mongo(`mongodb://${{login}}@${{hosts}}/?replicaSet=rs0`).getDB('orders').orders\
         .find({{ _id: {{ $in: {ids:?} }} }}).toArray().map((order) => order._id).join());",
        DROP_ORDERS_JS.lines().take(3).collect::<String>()
    );
    Ok(mongosh(cluster, &find).await?.trim().to_owned())
}

/// Runs a script in the container that has the root password in its environment.
async fn mongosh(cluster: &Cluster, script: &str) -> Result<String> {
    let mongosh = ["exec", "mongodb-0", "--container", "setup", "--", "mongosh", "--quiet", "--norc", "--eval", script];
    cluster.kube.run(&mongosh).await
}
