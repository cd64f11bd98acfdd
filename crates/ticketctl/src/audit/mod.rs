//! `ticketctl audit`, the consistency audit: checks invariants over all six databases, the event streams and the
//! payment provider, in bounded memory, while the fleet serves requests.
//!
//! In reading order: [`names`] (the invariants), [`remedy`] (commands that repair violations), [`finding`] (a violation
//! as it is reported), [`entity`] (the stored documents), [`seats`] (a seat is sold at most once, an order has all of
//! its seats or none), [`holds`] (every hold ends), [`money`] (no charge without a ticket, no ticket without a charge),
//! [`shows`] (listings follow their shows), [`replicas`] (replicas equal their owners' entities), [`history`] (every
//! version has one event, statuses change only as allowed), [`indexes`] (unique indexes exist), `malformed` (documents
//! that can't be checked), `join` (merge joins of sorted reads), `streams` (NATS), `provider` (intents at the payment
//! provider), `sources` (the open sources, and reads of the databases), `outside` (the checks of the streams and the
//! provider), [`checks`] (the list of all checks, and those of the databases), `periodic` (`--every`).
//!
//! # Why
//! The sources are read one after the other while they change, and the databases from a secondary if there is one. So
//! two documents may only seem to contradict each other, because they were read at different times. Every violation is
//! therefore a suspect at first. The audit rechecks the suspects several times, by key and on the primary, and reports
//! those that every recheck finds again with the same text.

pub mod checks;
pub mod entity;
pub mod finding;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod history;
pub mod holds;
pub mod indexes;
mod join;
mod malformed;
pub mod money;
pub mod names;
mod outside;
pub(crate) mod periodic;
mod provider;
pub mod remedy;
pub mod replicas;
pub mod seats;
pub mod shows;
mod sources;
pub(crate) mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use mongodb::Client;
use tokio::time::sleep;

use self::checks::{Check, Suspect, Suspects};
use self::join::ReadRateLimit;
use self::names::{AT_NATS, ONE_EVENT, PROVIDER};
use self::provider::ProviderArgs;
use self::sources::AuditSources;
use self::streams::Streams;
use crate::fleet::{Fleet, FleetArgs};
use crate::reports::AuditReport;

/// Number of rechecks of the suspects within `--wait`. A suspect that a recheck does not find again is dropped. Without
/// suspects, the audit ends early.
const RECHECKS: u32 = 6;
/// Maximum number of keys in one query of a recheck.
const RECHECK_BATCH: usize = 500;

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
    /// Number of seconds for which a violation must persist before it is reported, because events may not have been
    /// delivered yet.
    #[arg(long, default_value_t = DEFAULT_WAIT)]
    pub(crate) wait: u64,
    /// Maximum number of documents to read in a second. Events are read at up to twice this rate.
    #[arg(long, default_value_t = DEFAULT_RATE)]
    pub(crate) rate: NonZeroU32,
    /// Maximum number of violations of each invariant to examine. The others are only counted.
    #[arg(long, default_value_t = DEFAULT_MAX_FINDINGS)]
    pub(crate) max_findings: usize,
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            wait: DEFAULT_WAIT,
            rate: DEFAULT_RATE,
            max_findings: DEFAULT_MAX_FINDINGS,
            provider: ProviderArgs::NONE,
        }
    }
}

/// How to reach the sources to audit, except the payment provider.
#[derive(Clone, Copy)]
pub(crate) struct Connections<'a> {
    client: &'a Client,
    /// How to connect to NATS; `None` if the streams are not audited.
    nats: Option<&'a FleetArgs>,
}

impl<'a> Connections<'a> {
    /// The databases of a fleet, and its streams if NATS is known.
    pub(crate) fn of(fleet: &'a Fleet) -> Self {
        Self { client: &fleet.client, nats: fleet.args.nats_url.is_some().then_some(&fleet.args) }
    }

    /// Only the databases of a fleet.
    pub(crate) fn databases(fleet: &'a Fleet) -> Self {
        Self { client: &fleet.client, nats: None }
    }

    /// Describes each invariant that is not checked, or only in part, with the reason.
    pub(crate) fn unchecked(self, options: &AuditOptions) -> Vec<String> {
        let mut unchecked = Vec::new();
        if self.nats.is_none() {
            unchecked.extend(AT_NATS.map(|invariant| format!("{invariant} in the streams, without NATS_URL")));
        }
        if options.provider.stripe_key.is_none() {
            unchecked.push(format!("{PROVIDER}, without STRIPE_KEY"));
        }
        unchecked
    }
}

/// Audits the databases, and the streams and the payment provider if they are known.
///
/// If there are more suspects than the maximum and none of the rechecked ones persists, it is unknown whether the others
/// are violations. A secondary that lags is the usual reason, so a second audit reads from the primary.
///
/// # Errors
/// If a source can't be read, or if the second audit has such suspects too.
pub(crate) async fn run(connections: Connections<'_>, options: &AuditOptions) -> Result<AuditReport> {
    let report = audit(connections, options, false).await?;
    if !report.is_inconclusive() {
        return Ok(report);
    }
    eprintln!("{} apparent violations were not rechecked; auditing again, on the primary", report.unlisted);
    let report = audit(connections, options, true).await?;
    ensure!(
        !report.is_inconclusive(),
        "{} apparent violations were not rechecked, and no other was confirmed; run the audit again",
        report.unlisted
    );
    Ok(report)
}

/// Audits once. Reads from a secondary if there is one, or from the primary if `is_on_primary`.
async fn audit(connections: Connections<'_>, options: &AuditOptions, is_on_primary: bool) -> Result<AuditReport> {
    let mut sources = AuditSources::new(connections.client, ReadRateLimit::new(options.rate));
    if is_on_primary {
        sources.use_primary();
    }
    let mut unchecked = connections.unchecked(options);
    if let Some(fleet) = connections.nats {
        let streams = Streams::open(fleet, options.rate).await?;
        let truncated =
            streams.truncated.iter().map(|entity| format!("{ONE_EVENT} for the oldest events of every {entity}"));
        unchecked.extend(truncated);
        sources.streams = Some(streams);
    }
    sources.provider = outside::open_provider(&options.provider)?;
    let mut suspects = Suspects::new(options.max_findings);
    for check in Check::all() {
        check.run(&mut sources, None, &mut suspects).await?;
    }
    let Suspects { list: mut persistent, unlisted, .. } = suspects;
    if !persistent.is_empty() {
        let (count, wait) = (persistent.len(), options.wait);
        eprintln!("apparent violations: {count}; rechecking them for {wait} s");
    }
    sources.use_primary();
    for _ in 0..RECHECKS {
        if persistent.is_empty() {
            break;
        }
        sleep(Duration::from_secs(options.wait) / RECHECKS).await;
        persistent = recheck(&mut sources, &persistent).await?;
    }
    let findings = persistent.into_iter().map(|suspect| suspect.finding).collect();
    let AuditSources { audited, rate_limit, streams, .. } = sources;
    let documents = rate_limit.documents + streams.map_or(0, |streams| streams.rate_limit.documents);
    Ok(AuditReport { audited, documents, findings, unlisted, unchecked })
}

/// Runs the checks of the suspects again, for their keys only. Returns the suspects that were found again.
async fn recheck(sources: &mut AuditSources<'_>, suspects: &[Suspect]) -> Result<Vec<Suspect>> {
    let mut keys: BTreeMap<Check, BTreeSet<&str>> = BTreeMap::new();
    for suspect in suspects {
        keys.entry(suspect.check).or_default().insert(&suspect.key);
    }
    let mut current = Suspects::new(usize::MAX);
    for (check, keys) in keys {
        let keys: Vec<String> = keys.into_iter().map(ToOwned::to_owned).collect();
        for batch in keys.chunks(RECHECK_BATCH) {
            check.run(sources, Some(batch), &mut current).await?;
        }
    }
    let current: BTreeSet<(Check, &str, &str)> = current.list.iter().map(identity).collect();
    Ok(suspects.iter().filter(|suspect| current.contains(&identity(suspect))).cloned().collect())
}

/// What identifies a suspect: its check, its key and the text of its finding. The text distinguishes the findings of
/// one key.
fn identity(suspect: &Suspect) -> (Check, &str, &str) {
    (suspect.check, suspect.key.as_str(), suspect.finding.text.as_str())
}
