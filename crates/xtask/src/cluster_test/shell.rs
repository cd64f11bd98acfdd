//! Commands with which the caller adapts the test to a kind of cluster.

use std::process::Stdio;

use anyhow::Result;
use testkit::tools::workspace_root;
use tokio::process::Command;

use super::kube::output;

/// Runs a command of the command line with these arguments appended.
pub(super) async fn run(command: &str, arguments: &[&str]) -> Result<()> {
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{command} \"$@\""), "cluster-test"]).args(arguments);
    bash.current_dir(workspace_root()).stdin(Stdio::null()).kill_on_drop(true);
    output(bash, command).await.map(drop)
}

/// Runs a shell script on a node.
pub(super) async fn on_node(command: &str, node: &str, script: &str) -> Result<()> {
    run(command, &[node, "sh", "-c", script]).await
}
