//! Consistency audit: invariants over all six databases, in bounded memory, while the fleet serves requests.
//!
//! In reading order: [`names`] of the invariants, [`finding`], [`entity`] (what is read), [`sales`] (tickets are sold
//! at most once, every hold ends), [`money`] (no charge without a ticket, no ticket without a charge), [`replicas`]
//! (replicas equal their owners), [`indexes`], `malformed` (documents that can't be checked), `join` (sorted streams),
//! [`passes`] (which streams are joined and checked), `schedule` (`--every`).
//!
//! # Why
//! The databases are read one after the other while they change, and from a secondary if there is one. So what seems
//! wrong is only suspect: it is looked at again, by id and from the primary, until some time has passed. What is still
//! wrong then in the same way is reported.

pub mod entity;
pub mod finding;
#[cfg(test)]
mod fixtures;
pub mod indexes;
mod join;
mod malformed;
pub mod money;
pub mod names;
pub mod passes;
pub mod replicas;
pub mod sales;
pub(crate) mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use mongodb::Client;
use tokio::time::sleep;

use self::join::Pace;
use self::passes::{Pass, Reader, Suspect, Suspects};
use crate::reports::AuditReport;

/// How often suspects are looked at again while the audit waits. A suspect that was right once is dropped, so the audit
/// ends early if all were due to its reading.
const LOOKS: u32 = 6;
/// Maximum number of keys in one query of a second look.
const LOOK_BATCH: usize = 500;

/// Default of `--wait`.
const DEFAULT_WAIT: u64 = 60;
/// Default of `--rate`: a million orders with their replicas in less than ten minutes.
const DEFAULT_RATE: NonZeroU32 = match NonZeroU32::new(40_000) {
    Some(rate) => rate,
    None => NonZeroU32::MIN,
};
/// Default of `--max-findings`.
const DEFAULT_MAX_FINDINGS: usize = 1_000;

#[derive(Debug, Clone, Args)]
pub(crate) struct AuditOptions {
    /// Seconds for which something must stay wrong before it is reported: events may still be under way.
    #[arg(long, default_value_t = DEFAULT_WAIT)]
    pub(crate) wait: u64,
    /// Maximum number of documents to read in a second.
    #[arg(long, default_value_t = DEFAULT_RATE)]
    pub(crate) rate: NonZeroU32,
    /// Maximum number of violations of each invariant to examine. The others are only counted.
    #[arg(long, default_value_t = DEFAULT_MAX_FINDINGS)]
    pub(crate) max_findings: usize,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { wait: DEFAULT_WAIT, rate: DEFAULT_RATE, max_findings: DEFAULT_MAX_FINDINGS }
    }
}

/// Audits the databases.
///
/// # Errors
/// If a database can't be read, or if more was suspect than the maximum and nothing of what was looked at again
/// persists.
pub(crate) async fn run(client: &Client, options: &AuditOptions) -> Result<AuditReport> {
    let mut reader = Reader::new(client, Pace::new(options.rate));
    let mut suspects = Suspects::new(options.max_findings);
    for pass in Pass::all() {
        pass.run(&mut reader, None, &mut suspects).await?;
    }
    let Suspects { list: mut persistent, unlisted, .. } = suspects;
    if !persistent.is_empty() {
        let (count, wait) = (persistent.len(), options.wait);
        eprintln!("{count} violations seem to exist; they are looked at again for {wait} s");
    }
    reader.use_primary();
    for _ in 0..LOOKS {
        if persistent.is_empty() {
            break;
        }
        sleep(Duration::from_secs(options.wait) / LOOKS).await;
        persistent = look_again(&mut reader, &persistent).await?;
    }
    ensure!(
        unlisted == 0 || !persistent.is_empty(),
        "{unlisted} documents that seemed wrong were not looked at again; nothing else was wrong; run the audit again"
    );
    let findings: Vec<_> = persistent.into_iter().map(|suspect| suspect.finding).collect();
    let violations = findings.iter().map(ToString::to_string).collect();
    let Reader { audited, pace, .. } = reader;
    Ok(AuditReport { audited, documents: pace.documents, violations, findings, unlisted })
}

/// Returns the suspects that are wrong now in the same way.
async fn look_again(reader: &mut Reader<'_>, suspects: &[Suspect]) -> Result<Vec<Suspect>> {
    let mut keys: BTreeMap<Pass, BTreeSet<&str>> = BTreeMap::new();
    for suspect in suspects {
        keys.entry(suspect.pass).or_default().insert(&suspect.key);
    }
    let mut current = Suspects::new(usize::MAX);
    for (pass, keys) in keys {
        let keys: Vec<String> = keys.into_iter().map(ToOwned::to_owned).collect();
        for batch in keys.chunks(LOOK_BATCH) {
            pass.run(reader, Some(batch), &mut current).await?;
        }
    }
    // The text of a finding tells it from the others of its group.
    let current: BTreeSet<(Pass, &str, &str)> = current.list.iter().map(identity).collect();
    Ok(suspects.iter().filter(|suspect| current.contains(&identity(suspect))).cloned().collect())
}

fn identity(suspect: &Suspect) -> (Pass, &str, &str) {
    (suspect.pass, suspect.key.as_str(), suspect.finding.text.as_str())
}
