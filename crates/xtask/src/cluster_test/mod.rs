//! `cargo xtask cluster-test`: tests the Kubernetes manifests in infra/ in a real cluster.
//!
//! In reading order: [`kube`] (kubectl), [`shell`] (the caller's commands), [`images`], [`overlay`] (the deployed
//! objects), [`forward`] and [`gateway`] (the connection to the shop), [`load`] (users that buy and read while the
//! cluster changes), [`operator`], [`probe`] (scripts inside pods), and the steps: [`deploy`], [`sale`], [`kills`],
//! [`network`], [`confinement`], [`rotate`], [`usage`], [`nodes`], [`restart`], [`restore`].
//!
//! # Why
//! The test supports any kind of cluster. The differences are passed as commands: how images get to the nodes
//! (`--load`), how a command is run on a node (`--on-node`), how a node is killed (`--lose`) and started again
//! (`--revive`), and how the whole cluster is restarted (`--restart`). What a cluster can't do is skipped with a
//! message.

mod confinement;
mod deploy;
pub(crate) mod forward;
pub(crate) mod gateway;
mod images;
mod kills;
pub(crate) mod kube;
mod load;
mod network;
mod nodes;
mod operator;
mod overlay;
mod probe;
mod restart;
mod restore;
mod rotate;
mod sale;
mod shell;
mod usage;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use testkit::tools::{progress, workspace_root};

use self::kube::Kube;
use self::overlay::Overlay;
use self::usage::Sampler;
use crate::signals::StopSignals;

/// The manifests to deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OverlayKind {
    /// infra/k8s-dev: one pod of each service and server.
    Dev,
    /// infra/k8s-prod with fakestripe instead of Stripe. MongoDB and NATS have three members, so it needs three nodes.
    Prod,
}

/// Selects the cluster, the manifests and the steps.
#[derive(Debug, Args)]
pub(crate) struct ClusterTestArgs {
    /// Configuration of the cluster; kubectl's by default.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Manifests to deploy. A cluster can have only one of the overlays, since their volumes and passwords differ.
    #[arg(long, value_enum, default_value = "dev")]
    overlay: OverlayKind,
    /// Command that loads images onto the nodes, such as `kind load docker-image`; the names of the images are
    /// appended. By default, the nodes must have the images already.
    #[arg(long, value_name = "COMMAND")]
    load: Option<String>,
    /// Use images of a possible next release as well, with the tag `next-release`. The nodes must have them already, or
    /// get them by --load. Without this option, the step `releases` is skipped.
    #[arg(long)]
    next_release: bool,
    /// Command that restarts the whole cluster, which the step `restart` then runs three times.
    #[arg(long, value_name = "COMMAND")]
    restart: Option<String>,
    /// Command that runs a command on a node, such as `docker exec`; the node's name and the command are appended. With
    /// it, the step `kill` kills processes; without it, it deletes pods without a grace period.
    #[arg(long, value_name = "COMMAND")]
    on_node: Option<String>,
    /// Command that kills a node without warning, such as `docker kill`; the node's name is appended.
    #[arg(long, value_name = "COMMAND", requires = "revive")]
    lose: Option<String>,
    /// Command that starts a killed node again, such as `docker start`; the node's name is appended.
    #[arg(long, value_name = "COMMAND", requires = "lose")]
    revive: Option<String>,
    /// Bridge of this machine that the nodes are connected to. The step `network` gives it an address on the internet
    /// and the metadata address of clouds, for which it needs root.
    #[arg(long, value_name = "NAME")]
    bridge: Option<String>,
    /// Comma-separated steps to run; all steps but `deploy` need a deployed overlay.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEPS")]
    only: Vec<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Deploy the overlay, wait until everything is ready, and sell a ticket.
    Deploy,
    /// Sell tickets by the README's tour, on pages with a WebSocket, and by a webhook; and one ticket that twenty want.
    Sell,
    /// Compare the network policies with real connections.
    Network,
    /// Check that no process is root, can write its image, or has a token.
    Confinement,
    /// Deploy again: without changes, which must replace no pod, and with a change of one service, which must replace
    /// only its pods.
    Again,
    /// Deploy with the purchase that ends a deployment to production.
    Purchase,
    /// Roll out all services under load.
    Rollout,
    /// Roll out the next release under load, and roll it back. Its events have fields that the present release does not
    /// know.
    Releases,
    /// Kill every pod under load.
    Kill,
    /// Replace keys and passwords under load.
    Rotate,
    /// Have an autoscaler add a pod under load, and remove it.
    Scale,
    /// Drain each node under load, and lose one without warning.
    Nodes,
    /// Delete the disk of one member of MongoDB and of NATS under load.
    Disks,
    /// Stop everything and start it again, three times: all at once, the services first, and the servers first.
    Restart,
    /// Back up, drop a database, restore and audit.
    Restore,
    /// Compare what the containers used during all steps with their requests and limits.
    Usage,
}

struct Cluster {
    kube: Kube,
    kind: OverlayKind,
    overlay: Overlay,
}

/// Runs the steps until one fails. Each step prints its outcome.
pub(crate) async fn run(args: ClusterTestArgs) -> Result<()> {
    let started = Instant::now();
    StopSignals::install()?.unless_interrupted(run_steps(&args)).await?;
    progress("Passed", &format!("everything, after {:.0} s", started.elapsed().as_secs_f32()));
    Ok(())
}

async fn run_steps(args: &ClusterTestArgs) -> Result<()> {
    let kube = Kube::new(args.kubeconfig.clone());
    let home = workspace_root().join("target/cluster-test");
    std::fs::create_dir_all(&home).with_context(|| format!("creating {}", home.display()))?;
    let is_selected = |step: &&Stage| args.only.is_empty() || args.only.contains(step);
    if let Some(load) = args.load.as_ref().filter(|_| is_selected(&&Stage::Deploy)) {
        images::load(&home, load, args.next_release).await?;
    }
    let overlay = Overlay::prepare(&kube, args.overlay, &home).await?;
    let sampler = Sampler::start(&kube);
    let cluster = Cluster { kube, kind: args.overlay, overlay };
    for step in Stage::value_variants().iter().filter(is_selected) {
        let outcome = match step {
            Stage::Deploy => deploy::initial_deploy(&cluster).await,
            Stage::Sell => sale::sell(&cluster).await,
            Stage::Network => network::check(&cluster, args.bridge.as_deref()).await,
            Stage::Confinement => confinement::check(&cluster).await,
            Stage::Again => deploy::redeploy(&cluster).await,
            Stage::Purchase => deploy::deploy_with_purchase(&cluster).await,
            Stage::Rollout => deploy::roll_out(&cluster).await,
            Stage::Releases => deploy::mix_releases(&cluster, args.next_release).await,
            Stage::Kill => kills::kill_each(&cluster, args.on_node.as_deref()).await,
            Stage::Rotate => rotate::rotate(&cluster).await,
            Stage::Scale => usage::autoscale(&cluster).await,
            Stage::Nodes => nodes::change_nodes(&cluster, args.lose.as_deref(), args.revive.as_deref()).await,
            Stage::Disks => restore::lose_disks(&cluster).await,
            Stage::Restart => restart::restart_all(&cluster, args.restart.as_deref()).await,
            Stage::Restore => restore::restore(&cluster).await,
            Stage::Usage => sampler.compare(&cluster).await,
        };
        if outcome.is_err() {
            cluster.kube.print_diagnostics().await;
        }
        outcome.with_context(|| format!("step {step:?}"))?;
    }
    Ok(())
}
