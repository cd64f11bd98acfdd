//! Consistency audit: invariants over all six databases, the streams and the payment provider, in bounded memory,
//! while the fleet serves requests.
//!
//! In reading order: [`names`] of the invariants, [`remedy`], [`finding`], [`entity`] (what is read), [`sales`]
//! (tickets are sold at most once, every hold ends), [`money`] (no charge without a ticket, no ticket without a
//! charge), [`replicas`] (replicas equal their owners), [`history`] (every version has one event, statuses change as
//! they may), [`indexes`], `malformed` (documents that can't be checked), `join` (sorted reads), `streams` (NATS),
//! `provider` (its intents), `reader`, `outside` and [`checks`] (what is joined and checked), `periodic` (`--every`).
//!
//! # Why
//! The databases are read one after the other while they change, and from a secondary if there is one; then the streams
//! and the provider. So what seems wrong is only suspect: it is looked at again, by id and from the primary, until some
//! time has passed. What is still wrong then in the same way is reported.

pub mod checks;
pub mod entity;
pub mod finding;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod history;
pub mod indexes;
mod join;
mod malformed;
pub mod money;
pub mod names;
mod outside;
pub(crate) mod periodic;
mod provider;
mod reader;
pub mod remedy;
pub mod replicas;
pub mod sales;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use mongodb::Client;
use tokio::time::sleep;

use self::checks::{Check, Suspect, Suspects};
use self::join::Pace;
use self::names::{AT_NATS, ONE_EVENT, PROVIDER};
use self::provider::ProviderArgs;
use self::reader::Reader;
use self::streams::Streams;
use crate::fleet::{Fleet, FleetArgs};
use crate::reports::AuditReport;

/// Number of rechecks of the suspects within `--wait`. A suspect that a recheck finds consistent is dropped, and the
/// audit ends once none is left.
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
    /// Seconds for which something must stay wrong before it is reported: events may still be under way.
    #[arg(long, default_value_t = DEFAULT_WAIT)]
    pub(crate) wait: u64,
    /// Maximum number of documents to read in a second; of events, twice as many.
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

/// What is audited.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    client: &'a Client,
    /// The fleet whose streams are read too.
    nats: Option<&'a FleetArgs>,
}

impl<'a> Sources<'a> {
    /// The databases of a fleet, and its streams if NATS is known.
    pub(crate) fn of(fleet: &'a Fleet) -> Self {
        Self { client: &fleet.client, nats: fleet.args.nats_url.is_some().then_some(&fleet.args) }
    }

    /// Only the databases of a fleet.
    pub(crate) fn databases(fleet: &'a Fleet) -> Self {
        Self { client: &fleet.client, nats: None }
    }

    /// The invariants that are not checked, or not wholly, and why.
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
/// # Errors
/// If something can't be read, or if more was suspect than the maximum and nothing of what was looked at again
/// persists.
pub(crate) async fn run(sources: Sources<'_>, options: &AuditOptions) -> Result<AuditReport> {
    let mut reader = Reader::new(sources.client, Pace::new(options.rate));
    let mut unchecked = sources.unchecked(options);
    if let Some(fleet) = sources.nats {
        let streams = Streams::open(fleet, options.rate).await?;
        let cut = streams.cut.iter().map(|entity| format!("{ONE_EVENT} for the oldest events of every {entity}"));
        unchecked.extend(cut);
        reader.streams = Some(streams);
    }
    reader.provider = outside::open_provider(&options.provider)?;
    let mut suspects = Suspects::new(options.max_findings);
    for check in Check::all() {
        check.run(&mut reader, None, &mut suspects).await?;
    }
    let Suspects { list: mut persistent, unlisted, .. } = suspects;
    if !persistent.is_empty() {
        let (count, wait) = (persistent.len(), options.wait);
        eprintln!("{count} violations seem to exist; they are looked at again for {wait} s");
    }
    reader.use_primary();
    for _ in 0..RECHECKS {
        if persistent.is_empty() {
            break;
        }
        sleep(Duration::from_secs(options.wait) / RECHECKS).await;
        persistent = recheck(&mut reader, &persistent).await?;
    }
    ensure!(
        unlisted == 0 || !persistent.is_empty(),
        "{unlisted} documents that seemed wrong were not looked at again; nothing else was wrong; run the audit again"
    );
    let findings: Vec<_> = persistent.into_iter().map(|suspect| suspect.finding).collect();
    let violations = findings.iter().map(ToString::to_string).collect();
    let Reader { audited, pace, streams, .. } = reader;
    let documents = pace.documents + streams.map_or(0, |streams| streams.pace.documents);
    Ok(AuditReport { audited, documents, violations, findings, unlisted, unchecked })
}

/// Returns the suspects that are wrong now in the same way.
async fn recheck(reader: &mut Reader<'_>, suspects: &[Suspect]) -> Result<Vec<Suspect>> {
    let mut keys: BTreeMap<Check, BTreeSet<&str>> = BTreeMap::new();
    for suspect in suspects {
        keys.entry(suspect.check).or_default().insert(&suspect.key);
    }
    let mut current = Suspects::new(usize::MAX);
    for (check, keys) in keys {
        let keys: Vec<String> = keys.into_iter().map(ToOwned::to_owned).collect();
        for batch in keys.chunks(RECHECK_BATCH) {
            check.run(reader, Some(batch), &mut current).await?;
        }
    }
    // The text of a finding distinguishes it from the others of its key.
    let current: BTreeSet<(Check, &str, &str)> = current.list.iter().map(identity).collect();
    Ok(suspects.iter().filter(|suspect| current.contains(&identity(suspect))).cloned().collect())
}

fn identity(suspect: &Suspect) -> (Check, &str, &str) {
    (suspect.check, suspect.key.as_str(), suspect.finding.text.as_str())
}
