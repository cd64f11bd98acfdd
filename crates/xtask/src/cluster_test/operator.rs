//! What the operator of the shop does: the scripts of infra/operations.

use anyhow::{Context, Result, ensure};

use super::Cluster;
use super::kube::output;

/// Runs a script of infra/operations and returns its output.
pub(super) async fn operate(cluster: &Cluster, script: &str, arguments: &[&str]) -> Result<String> {
    let mut command = cluster.kube.command(format!("infra/operations/{script}"));
    command.args(arguments);
    output(command, script).await
}

/// Audits databases and streams. Returns the summary; violations are an error. The payment provider is not checked,
/// since fakestripe loses its payments when it is restarted.
pub(super) async fn audit(cluster: &Cluster) -> Result<String> {
    let audited = operate(cluster, "ticketctl.sh", &["audit"]).await.context("the audit found violations")?;
    ensure!(audited.contains("the audit passed"), "no audit passed:\n{audited}");
    Ok(audited.trim().to_owned())
}

/// Runs a script of mongosh as root on whichever member is primary. In the script, `admin` is the database of that
/// name.
pub(super) async fn mongosh(cluster: &Cluster, script: &str) -> Result<String> {
    let script = format!("const admin = db;\n{script}");
    Ok(operate(cluster, "mongosh.sh", &[&script]).await?.trim().to_owned())
}
