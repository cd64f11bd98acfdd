//! Builds the images if necessary and loads them onto the nodes.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use testkit::fleet::SERVICES;
use testkit::tools::{progress, workspace_root};
use tokio::process::Command;

use crate::cargo::run;

/// The images that this repository builds.
pub(super) const IMAGES: [&str; 8] = [
    "ticketing/auth",
    "ticketing/expiration",
    "ticketing/fakestripe",
    "ticketing/orders",
    "ticketing/payments",
    "ticketing/ticketctl",
    "ticketing/tickets",
    "ticketing/web",
];

/// The tag of the images of a possible next release. `infra/docker/Dockerfile` builds them with `FEATURES`.
pub(super) const NEXT_RELEASE: &str = "next-release";
/// The feature that makes a build a possible next release.
const NEXT_RELEASE_FEATURE: &str = "platform/next-release";

/// The manifests of the servers, whose images nodes pull if they reach a registry.
const SERVERS: [&str; 3] = ["mongodb/statefulset.yaml", "nats/statefulset.yaml", "redis/deployment.yaml"];

/// The image that the manifest of a server names.
fn server_image(manifest: &str) -> Result<String> {
    let file = workspace_root().join("infra/k8s").join(manifest);
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let image = text.lines().find_map(|line| line.trim_start().strip_prefix("image: "));
    image.map(ToOwned::to_owned).with_context(|| format!("{} names no image", file.display()))
}

/// Loads the images onto the nodes with this command. Where Docker runs, they were built before. Without it, first
/// builds them by other means, and also substitutes for the servers' images, since a registry may be unreachable as
/// well. With `next_release`, does the same for the images of the next release.
pub(super) async fn load(home: &Path, command: &str, next_release: bool) -> Result<()> {
    let docker = Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    let mut names: Vec<String> = IMAGES.iter().map(|name| format!("{name}:latest")).collect();
    if next_release {
        names.extend(SERVICES.map(|service| format!("ticketing/{service}:{NEXT_RELEASE}")));
    }
    if !docker.is_ok_and(|status| status.success()) {
        progress("Building", "the images, without Docker");
        let mut build = Command::new("infra/docker/build.sh");
        build.current_dir(workspace_root()).kill_on_drop(true);
        run(build, "infra/docker/build.sh").await?;
        if next_release {
            progress("Building", "the images of the next release");
            let mut build = Command::new("infra/docker/build.sh");
            build.args(SERVICES).env("TAG", NEXT_RELEASE).env("FEATURES", NEXT_RELEASE_FEATURE);
            build.current_dir(workspace_root()).kill_on_drop(true);
            run(build, "infra/docker/build.sh").await?;
        }
        let servers = SERVERS.into_iter().map(server_image).collect::<Result<Vec<_>>>()?;
        let mut substitutes = Command::new("python3");
        substitutes
            .args(["infra/cluster-test/servers.py", "--root", ".", "--storage", "target/images/storage"])
            .args(["--runroot", "/run/ticketing-images"])
            .args(&servers)
            .current_dir(workspace_root())
            .kill_on_drop(true);
        run(substitutes, "building substitutes for the servers' images").await?;
        names.extend(servers);
    }
    let mut load = Command::new("bash");
    load.args(["-c", &format!("{command} \"$@\""), "load"]).args(&names).current_dir(workspace_root());
    let log = std::fs::File::create(home.join("load.log"))?;
    load.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null()).kill_on_drop(true);
    run(load, "loading the images onto the nodes (see target/cluster-test/load.log)").await?;
    progress("Loaded", &format!("{} images onto the nodes", names.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::probe::IMAGE;
    use super::*;

    #[test]
    fn images_of_the_servers_are_those_of_the_manifests() {
        let images = SERVERS.map(|manifest| server_image(manifest).unwrap());
        let names = images.each_ref().map(|image| image.split(':').next().unwrap());
        assert_eq!(names, ["mongo", "nats", "redis"]);
        assert!(images.iter().any(|image| image == IMAGE), "scripts run in {IMAGE}, which no node has");
    }
}
