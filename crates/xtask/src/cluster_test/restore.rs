//! A backup, a purchase after it, a database lost, a restore: the books are right, and the buyer has the money back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Cluster;
use super::gateway::Way;
use super::kube::{output, say};
use super::shoppers::sell_one;

/// How long everything may take to serve again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Drops the database of orders, as root, wherever the primary is.
const WRECK: &str = r"
const hosts = db.getSiblingDB('admin').runCommand({ hello: 1 }).hosts.join();
const login = `root:${encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD)}`;
new Mongo(`mongodb://${login}@${hosts}/?replicaSet=rs0`).getDB('orders').dropDatabase({ w: 'majority' });
";

/// All of it.
pub(super) async fn restore(cluster: &Cluster) -> Result<()> {
    let way = Way::open(cluster).await?;
    let kept = sell_one(cluster, &way).await?.0.to_string();
    let said = operate(cluster, "ticketctl.sh", &["backup"]).await?;
    say("Backed up", said.lines().last().and_then(|line| line.split_once(": ")).map_or("", |(_, summary)| summary));
    let lost = sell_one(cluster, &way).await?.0.to_string();

    let kube = &cluster.kube;
    kube.run(&["exec", "mongodb-0", "--container", "setup", "--", "mongosh", "--quiet", "--norc", "--eval", WRECK])
        .await?;
    say("Wrecked", "the database of orders");
    let said = operate(cluster, "restore.sh", &["--yes"]).await?;
    let is_given_back = |line: &str| line.starts_with("1 charges and authorisations");
    ensure!(said.lines().any(is_given_back), "what was charged since was not given back:\n{said}");
    ensure!(said.contains("the books are right"), "nobody looked at the books:\n{said}");
    kube.ready(PATIENCE).await?;
    let way = Way::open(cluster).await?;
    sell_one(cluster, &way).await.context("after the restore")?;
    let audited = operate(cluster, "ticketctl.sh", &["audit"]).await?;
    let there = orders(cluster, &[&kept, &lost]).await?;
    ensure!(there == kept, "of the orders {kept} and {lost}, {there:?} is there");
    say("Restored", audited.trim());
    Ok(())
}

/// A script of infra/operations; what it printed.
async fn operate(cluster: &Cluster, script: &str, arguments: &[&str]) -> Result<String> {
    let mut command = cluster.kube.command(format!("infra/operations/{script}"));
    command.args(arguments);
    output(command, script).await
}

/// Which of these orders there are.
async fn orders(cluster: &Cluster, ids: &[&str]) -> Result<String> {
    let find = format!(
        "{} print(new Mongo(`mongodb://${{login}}@${{hosts}}/?replicaSet=rs0`).getDB('orders').orders\
         .find({{ _id: {{ $in: {ids:?} }} }}).toArray().map((order) => order._id).join());",
        WRECK.lines().take(3).collect::<String>()
    );
    let arguments =
        ["exec", "mongodb-0", "--container", "setup", "--", "mongosh", "--quiet", "--norc", "--eval", &find];
    Ok(cluster.kube.run(&arguments).await?.trim().to_owned())
}
