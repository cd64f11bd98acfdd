//! Consistency audit: invariants over all six databases, which hold once the fleet is idle.
//!
//! In reading order: [`data`], [`sales`] (tickets are sold at most once, every hold ends), [`money`] (no charge
//! without a ticket, no ticket without a charge), [`replicas`] (replicas equal their owners).
//!
//! # Why
//! The databases are read one after the other while the fleet serves requests, so a violation counts only if it
//! persists for some seconds.

pub mod data;
pub mod money;
pub mod replicas;
pub mod sales;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use mongodb::Client;
use tokio::time::{Instant, sleep};

use self::data::AuditData;

/// Maximum time until the invariants hold.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(90);
/// Pause between two passes; only violations found in both are reported.
const RECHECK_INTERVAL: Duration = Duration::from_secs(3);
const MAX_REPORTED: usize = 20;

/// Repeats the audit until it passes, or fails with the violations.
pub(crate) async fn run(client: &Client) -> Result<()> {
    let started = Instant::now();
    let mut before: Option<BTreeSet<String>> = None;
    loop {
        let data = AuditData::read(client).await?;
        // Each violation starts with the number of its invariant in docs/reliability.md.
        let mut violations = Vec::new();
        sales::check(&data, &mut violations);
        money::check(&data, &mut violations);
        replicas::check(&data, &mut violations);
        let now: BTreeSet<String> = violations.into_iter().collect();
        let persistent: Vec<_> = before.iter().flatten().filter(|known| now.contains(*known)).cloned().collect();
        if now.is_empty() || (before.is_some() && persistent.is_empty()) {
            println!("the audit passed: {}", data.summary());
            return Ok(());
        }
        if started.elapsed() > AUDIT_TIMEOUT {
            let (count, reported) =
                (persistent.len(), persistent.get(..MAX_REPORTED).unwrap_or(&persistent).join("\n"));
            bail!("the audit found {count} violations that persist for {RECHECK_INTERVAL:?}:\n{reported}");
        }
        before = Some(now);
        sleep(RECHECK_INTERVAL).await;
    }
}
