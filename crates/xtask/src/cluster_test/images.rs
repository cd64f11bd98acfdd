//! The images, and how they get to the nodes.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use testkit::tools::workspace_root;
use tokio::process::Command;

use super::kube::say;
use crate::cargo::run;

/// What this repository builds.
pub(super) const OURS: [&str; 8] = [
    "ticketing/auth",
    "ticketing/expiration",
    "ticketing/fakestripe",
    "ticketing/orders",
    "ticketing/payments",
    "ticketing/ticketctl",
    "ticketing/tickets",
    "ticketing/web",
];

/// What nodes pull by themselves, where they reach a registry.
const SERVERS: [&str; 3] = ["mongo:7.0", "nats:2.15.1", "redis:7.2"];

/// Brings them to the nodes by this command. Where there is no Docker that has built them, they are built here, and
/// with them stand-ins for the servers, since no registry is taken for granted either.
pub(super) async fn bring(home: &Path, load: &str) -> Result<()> {
    let is_docker = Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    let mut names: Vec<String> = OURS.iter().map(|name| format!("{name}:latest")).collect();
    if !is_docker.is_ok_and(|status| status.success()) {
        say("Building", "the images, without Docker");
        let mut build = Command::new("infra/docker/build.sh");
        build.current_dir(workspace_root()).kill_on_drop(true);
        run(build, "infra/docker/build.sh").await?;
        let mut stand_ins = Command::new("python3");
        stand_ins
            .args(["infra/docker/containers/servers.py", "--root", ".", "--storage", "target/images/storage"])
            .args(["--runroot", "/run/ticketing-images"])
            .args(SERVERS)
            .current_dir(workspace_root())
            .kill_on_drop(true);
        run(stand_ins, "building stand-ins for the servers").await?;
        names.extend(SERVERS.map(ToOwned::to_owned));
    }
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{load} \"$@\""), "load"]).args(&names).current_dir(workspace_root());
    let log = std::fs::File::create(home.join("load.log"))?;
    command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null()).kill_on_drop(true);
    run(command, "bringing the images to the nodes (see target/cluster-test/load.log)").await?;
    say("Brought", &format!("{} images to the nodes", names.len()));
    Ok(())
}
