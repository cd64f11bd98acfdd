//! Runs `ticketctl audit` on the databases, the streams and the card network of the fleet after a run.
//!
//! # Why
//! The invariants check the same data in memory. The audit, which operators use, reads it as streams: a run with only
//! one of them would not notice a difference between them.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::fleet::options::current_binary_dir;
use ticketctl::reports::AuditReport;
use tokio::process::Command;
use tokio::time::timeout;

use crate::test_fleet::TestFleet;

/// Maximum duration of the audit.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Returns the violations that `ticketctl audit` reports. If the audit fails, its error is returned as a violation.
pub(super) async fn violations(fleet: &TestFleet) -> Vec<String> {
    match run(fleet).await {
        Ok(report) => report.findings.iter().map(ToString::to_string).collect(),
        Err(error) => vec![format!("the audit failed: {error:#}")],
    }
}

async fn run(fleet: &TestFleet) -> Result<AuditReport> {
    let servers = fleet.processes.servers();
    let mut audit = Command::new(current_binary_dir().join("ticketctl"));
    audit
        .args(["--output", "json", "audit", "--wait", "0"])
        .env("MONGODB_URL", servers.mongodb_url())
        .env("NATS_URL", servers.nats.url())
        .envs(fleet.fakestripe.settings())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output =
        timeout(TIMEOUT, audit.output()).await.context("it has not ended in time")?.context("running ticketctl")?;
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
