//! What the operator of the shop does: the scripts of infra/operations, and mongosh.

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
    let script = format!(
        "const options = process.env.MONGODB_OPTIONS ?? '';\n\
         const here = new Mongo(`mongodb://localhost/?directConnection=true${{options}}`).getDB('admin');\n\
         const hosts = here.runCommand({{ hello: 1 }}).hosts.join();\n\
         const login = `root:${{encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD)}}`;\n\
         const admin = new Mongo(`mongodb://${{login}}@${{hosts}}/?replicaSet=rs0${{options}}`).getDB('admin');\n\
         {script}"
    );
    // This container has the root password in its environment.
    let exec = ["exec", "mongodb-0", "--container", "setup", "--"];
    let mongosh = ["mongosh", "--quiet", "--norc", "--nodb", "--eval", script.as_str()];
    Ok(cluster.kube.run(&[&exec[..], &mongosh].concat()).await?.trim().to_owned())
}
