//! Checks that pods are confined: Pod Security's level `restricted` is enforced, and our manifests cause no warning;
//! and in `/proc`, that no process is root or has capabilities, that no root file system can be written, that no pod
//! has a token, and that no process has a password among its arguments.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use testkit::tools::progress;

use super::Cluster;
use super::deploy::render;
use super::kube::{NAMESPACE, text};
use super::probe::{IMAGE, run_inside};

const LEVEL: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce";

/// Prints the identity and the arguments of the container's first process, the options of its root file system, and its
/// tokens.
const SCRIPT: &str = r#"
set -eu
while read -r name value _; do
  case $name in Uid: | NoNewPrivs: | CapEff:) echo "$name $value" ;; esac
done < /proc/1/status
echo "Arguments: $(tr '\0\n' '  ' < /proc/1/cmdline)"
while read -r _ place _ options _; do
  if [[ $place == / ]]; then echo "Root: ${options%%,*}"; fi
  if [[ $place == *serviceaccount* ]]; then echo "Token: $place"; fi
done < /proc/1/mounts
"#;

pub(super) async fn check(cluster: &Cluster) -> Result<()> {
    check_admission(cluster).await?;
    let mut containers = Vec::new();
    for pod in cluster.kube.running_pods().await? {
        let name = text(&pod, "/metadata/name")?.to_owned();
        for container in pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten() {
            containers.push((name.clone(), text(container, "/name")?.to_owned()));
        }
    }
    let passwords = cluster.overlay.passwords()?;
    let checks = containers.iter().map(async |(pod, container)| {
        let printed = run_inside(&cluster.kube, pod, container, SCRIPT).await?;
        check_process(&printed, &passwords).with_context(|| format!("{container} of {pod}"))
    });
    try_join_all(checks).await?;
    progress(
        "Confined",
        &format!(
            "{} containers: no root, no capability, no writable root, no token, no password in arguments",
            containers.len()
        ),
    );
    Ok(())
}

/// Checks that the API server refuses what `restricted` does not allow, and has no objection to our manifests.
async fn check_admission(cluster: &Cluster) -> Result<()> {
    let kube = &cluster.kube;
    let namespace: Value =
        serde_json::from_str(&kube.run(&["get", "namespace", NAMESPACE, "--output", "json"]).await?)?;
    let level = text(&namespace, LEVEL)?;
    ensure!(level == "restricted", "Pod Security enforces {level} in the namespace, not restricted");
    // The pod uses the host's network. A privileged container would not do: some API servers refuse it whatever Pod
    // Security says.
    let overrides = json!({ "apiVersion": "v1", "spec": { "hostNetwork": true } }).to_string();
    let run = ["run", "unconfined", "--image", IMAGE, "--dry-run=server", "--overrides", overrides.as_str()];
    let refused = kube.kubectl(&run).output().await?;
    let reason = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && reason.contains("PodSecurity"),
        "a pod on the host's network is not refused: {reason}"
    );

    let manifests = render(cluster, &cluster.overlay.folder).await?.display().to_string();
    let applied = kube.kubectl(&["apply", "--dry-run=server", "--filename", &manifests]).output().await?;
    let printed = String::from_utf8_lossy(&applied.stderr);
    ensure!(
        applied.status.success() && !printed.contains("Warning:"),
        "the API server warns of the manifests: {printed}"
    );
    progress("Admitted", "all manifests without a warning; a pod on the host's network is refused");
    Ok(())
}

/// Checks what the script printed about a container.
fn check_process(printed: &str, passwords: &[String]) -> Result<()> {
    let value = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.with_context(|| format!("no {name} in: {printed}"))
    };
    ensure!(value("Uid")? != "0", "the process is root");
    ensure!(value("NoNewPrivs")? == "1", "the process could gain privileges");
    ensure!(value("CapEff")?.chars().all(|digit| digit == '0'), "the process has capabilities");
    ensure!(value("Root")? == "ro", "the root file system can be written");
    ensure!(value("Token").is_err(), "the pod has a token for the API server");
    let arguments = value("Arguments")?;
    ensure!(!passwords.iter().any(|password| arguments.contains(password)), "an argument has a password");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unconfined_processes_are_reported() {
        let good = "Uid: 65532\nNoNewPrivs: 1\nCapEff: 0000000000000000\nRoot: ro\nArguments: redis-server -\n";
        let passwords = ["p0123".to_owned()];
        check_process(good, &passwords).unwrap();
        for (from, to) in [
            ("65532", "0"),
            ("NoNewPrivs: 1", "NoNewPrivs: 0"),
            ("0000000000000000", "00000000a80425fb"),
            ("Root: ro", "Root: rw"),
            ("Root: ro\n", ""),
            ("Root: ro\n", "Root: ro\nToken: /var/run/secrets/kubernetes.io/serviceaccount\n"),
            ("redis-server -", "redis-server --requirepass p0123"),
        ] {
            check_process(&good.replace(from, to), &passwords).unwrap_err();
        }
    }
}
