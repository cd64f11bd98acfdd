//! `cargo xtask cluster-test`: the manifests as they ship, in a real cluster.
//!
//! In reading order: [`kube`] (kubectl), [`overlay`] (what is deployed, and what stands in for what the cluster
//! lacks), [`gateway`] (how the shop is reached), [`shoppers`] (who buys meanwhile), and the steps:
//! [`deploy`], [`restart`], [`restore`].
//!
//! # Why
//! It knows no kind of cluster. What differs is told: how images get to the nodes (`--load`), and how all of the
//! cluster is stopped and started (`--restart`).

mod deploy;
mod gateway;
mod images;
mod kube;
mod overlay;
mod restart;
mod restore;
mod shoppers;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use testkit::tools::{progress, workspace_root};

use self::kube::Kube;
use self::overlay::Overlay;
use crate::signals::StopSignals;

/// Which manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// infra/k8s-dev: one of everything.
    Dev,
    /// infra/k8s-prod, on three nodes: three members of each server, with Stripe's stand-in.
    Prod,
}

/// Where it is tried, and how.
#[derive(Debug, Args)]
pub(crate) struct ClusterTestArgs {
    /// The cluster; what kubectl would take unless told.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which manifests. A cluster has one or the other: their volumes and passwords differ.
    #[arg(long, value_enum, default_value = "dev")]
    overlay: Which,
    /// The command that brings images to the nodes, such as `kind load docker-image`; their names are appended.
    /// Without it, they are there already.
    #[arg(long, value_name = "COMMAND")]
    load: Option<String>,
    /// A command that stops the whole cluster and starts it again, which is then done three times as well.
    #[arg(long, value_name = "COMMAND")]
    restart: Option<String>,
    /// Only these steps, with commas between; the overlay has to be deployed for all but `deploy`.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEPS")]
    only: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The overlay is deployed, all of it is ready, and a ticket is sold.
    Deploy,
    /// Applied and deployed again: no pod is replaced. One service changed: its pods alone are.
    Again,
    /// Every service is rolled out while people buy.
    Rollout,
    /// Everything is stopped, and started in three orders.
    Restart,
    /// A backup, a database wrecked, a restore, and the books right.
    Restore,
}

/// What every step needs.
struct Cluster {
    kube: Kube,
    overlay: Overlay,
}

/// Runs every step in turn, each with a line of what was seen, and stops at the first that fails.
pub(crate) async fn run(args: ClusterTestArgs) -> Result<()> {
    let mut stop = StopSignals::install()?;
    let began = Instant::now();
    tokio::select! {
        outcome = steps(&args) => outcome?,
        () = stop.wait() => bail!("interrupted"),
    }
    progress("Passed", &format!("everything, after {:.0} s", began.elapsed().as_secs_f32()));
    Ok(())
}

async fn steps(args: &ClusterTestArgs) -> Result<()> {
    let kube = Kube::new(args.kubeconfig.clone());
    let home = workspace_root().join("target/cluster-test");
    std::fs::create_dir_all(&home).with_context(|| format!("creating {}", home.display()))?;
    let is_wanted = |step| args.only.is_empty() || args.only.contains(&step);
    if let Some(load) = &args.load
        && is_wanted(Step::Deploy)
    {
        images::bring(&home, load).await?;
    }
    let overlay = Overlay::prepare(&kube, args.overlay, &home).await?;
    let cluster = Cluster { kube, overlay };
    let outcome = async {
        if is_wanted(Step::Deploy) {
            deploy::first(&cluster).await.context("deploying")?;
        }
        if is_wanted(Step::Again) {
            deploy::again(&cluster).await.context("deploying again")?;
        }
        if is_wanted(Step::Rollout) {
            deploy::roll_out(&cluster).await.context("rolling out")?;
        }
        if is_wanted(Step::Restart) {
            restart::everything(&cluster, args.restart.as_deref()).await.context("stopping and starting")?;
        }
        if is_wanted(Step::Restore) {
            restore::restore(&cluster).await.context("backing up and restoring")?;
        }
        Ok(())
    };
    let outcome: Result<()> = outcome.await;
    if outcome.is_err() {
        cluster.kube.tell_what_is_wrong().await;
    }
    outcome
}
