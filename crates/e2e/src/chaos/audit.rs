//! The operator's audit of the settled fleet: of the databases, the streams and the card network. The invariants see the
//! same in memory; this shows that the streaming audit agrees with them.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::fleet::options::sibling_binaries_dir;
use ticketctl::reports::AuditReport;
use tokio::process::Command;
use tokio::time::timeout;

use crate::test_fleet::TestFleet;

/// How long the audit may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What `ticketctl audit` finds. That it fails is a violation too.
pub(super) async fn violations(fleet: &TestFleet) -> Vec<String> {
    match run(fleet).await {
        Ok(report) => report.violations,
        Err(error) => vec![format!("the audit failed: {error:#}")],
    }
}

async fn run(fleet: &TestFleet) -> Result<AuditReport> {
    let servers = fleet.processes.servers();
    let mut audit = Command::new(sibling_binaries_dir().join("ticketctl"));
    audit
        .args(["--output", "json", "audit", "--wait", "0"])
        .env("MONGODB_URL", servers.mongodb_url())
        .env("NATS_URL", servers.nats.url())
        .envs(fleet.dashboard.settings())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(TIMEOUT, audit.output()).await.context("it takes too long")?.context("starting ticketctl")?;
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
