//! Consistency audit: invariants over all six databases, which hold once the fleet is idle.
//!
//! In reading order: [`data`] (what is read), [`names`] of the invariants, [`sales`] (tickets are sold at most once, every
//! hold ends), [`money`] (no charge without a ticket, no ticket without a charge), [`replicas`] (replicas equal their owners).
//!
//! # Why
//! The databases are read one after the other while the fleet serves requests, so a violation counts only if it
//! persists for some seconds.

pub mod data;
pub mod money;
pub mod names;
pub mod replicas;
pub mod sales;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use mongodb::Client;
use tokio::time::{Instant, sleep};

use self::data::AuditData;
use crate::reports::AuditReport;

/// Maximum time until the invariants hold, by default.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(90);
/// Pause between two passes; only violations found in both are reported.
const RECHECK_INTERVAL: Duration = Duration::from_secs(3);

/// Repeats the audit until it passes, for at most this time. Returns the violations found in the last two passes.
pub(crate) async fn run(client: &Client, wait: Duration) -> Result<AuditReport> {
    let started = Instant::now();
    let mut before: Option<BTreeSet<String>> = None;
    loop {
        let data = AuditData::read(client).await?;
        // Each violation starts with the number and the name of its invariant, as in docs/reliability.md.
        let mut violations = Vec::new();
        sales::check(&data, &mut violations);
        money::check(&data, &mut violations);
        replicas::check(&data, &mut violations);
        let now: BTreeSet<String> = violations.into_iter().collect();
        let persistent: Vec<String> = before.iter().flatten().filter(|known| now.contains(*known)).cloned().collect();
        if now.is_empty() || (before.is_some() && persistent.is_empty()) {
            return Ok(AuditReport { audited: data.counts(), violations: Vec::new() });
        }
        if before.is_some() && started.elapsed() > wait {
            return Ok(AuditReport { audited: data.counts(), violations: persistent });
        }
        before = Some(now);
        sleep(RECHECK_INTERVAL).await;
    }
}
