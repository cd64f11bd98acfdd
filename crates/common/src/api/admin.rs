//! The admin API as types: what operators' tools ask of the services on their admin ports.
//!
//! # Why
//! An [`Endpoint`](super::Endpoint) belongs to one service and is part of its public contract. Admin routes are
//! internal, and every service has `/resync`, so a path and its payloads are enough.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

use crate::events::text_enum;
use crate::id::PaymentId;
use crate::timestamp::Timestamp;
use crate::validate::fault_within;

/// Every service: POST announces present states again; from [`Resync`] to [`ResyncResult`].
pub const RESYNC: &str = "/resync";
/// payments: POST looks up every unfinished payment; from [`Reconcile`] to [`ReconciledPayments`].
pub const RECONCILE: &str = "/reconcile";
/// payments: POST finds intents that no payment vouches for; from [`FindOrphans`] to [`Orphans`].
pub const ORPHANS: &str = "/orphans";
/// web: POST begins a rebuild of the read model unless one is under way, and answers with [`RebuildStarted`]. GET reads
/// its progress and DELETE abandons it; both answer with [`RebuildProgress`].
pub const REBUILD: &str = "/rebuild";
/// web: POST swaps the read models, whatever the new one lacks, and answers with [`RebuildProgress`].
pub const REBUILD_SWAP: &str = "/rebuild/swap";

/// What is to be announced: everything, what changed since a time, or what has one of these ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[validate(schema(function = "says_something"))]
pub struct Resync {
    /// Everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// What changed at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What has one of these ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

impl Resync {
    /// Asks for everything.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }
}

fn says_something(wanted: &Resync) -> Result<(), ValidationError> {
    if wanted.all || wanted.since.is_some() || !wanted.ids.is_empty() {
        Ok(())
    } else {
        let message = "say what to announce: {\"all\": true}, {\"since\": time} or {\"ids\": […]}";
        Err(fault_within("all", "nothing", message))
    }
}

/// What was announced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResyncResult {
    /// How many entities of each collection.
    pub announced: BTreeMap<String, u64>,
}

/// Asks for every unfinished payment; there is nothing to choose.
#[derive(Debug, Clone, Serialize)]
pub struct Reconcile {}

/// How many unfinished payments were looked up at the card network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledPayments {
    /// How many.
    pub looked_up: usize,
    /// For how many of them that failed.
    pub failed: usize,
}

/// Asks for the orphans among the intents of a period.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindOrphans {
    /// When the period begins; it ends now.
    pub since: Timestamp,
    /// Whether to settle them: to refund what was charged, and to cancel what was set aside.
    #[serde(default)]
    pub settle: bool,
}

/// The orphans that were found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orphans {
    /// In the order in which the provider lists them.
    pub orphans: Vec<Orphan>,
}

/// An intent that no payment vouches for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// The provider's id.
    pub reference: String,
    /// The payment that it was made for.
    pub payment: PaymentId,
    /// How much it is of, in minor units.
    pub amount: i64,
    /// The currency, in lower case.
    pub currency: String,
    /// What was found, or done about it.
    pub outcome: OrphanOutcome,
}

text_enum! {
    /// What was found of a orphan, or done about it.
    OrphanOutcome {
        /// It was charged; nothing was done.
        Charged,
        /// It can still be charged; nothing was done.
        Open,
        /// It was charged, and the charge was given back.
        Refunded,
        /// It was cancelled before it was charged.
        Cancelled,
        /// It could not be looked up or settled.
        Failed,
    }
}

/// The rebuild that began, or was under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RebuildStarted {
    /// The generation that is being filled. It may be live by now, if there was nothing to wait for.
    pub filling: i64,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildProgress {
    /// The generation that pages read.
    pub live: i64,
    /// The one that is being filled; none when no rebuild is under way.
    pub filling: Option<i64>,
    /// How far each kind of entity is; empty when no rebuild is under way.
    pub entities: Vec<EntityProgress>,
}

/// How far one kind of entity is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityProgress {
    /// Its name.
    pub entity: String,
    /// About how many the live generation has.
    pub live: u64,
    /// About how many the new one has.
    pub filled: u64,
    /// Some that the new one lacks, or knows an older version of.
    pub missing: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::OrphanOutcome;
    use crate::events::tests::are_named_alike;

    #[test]
    fn an_outcome_is_called_the_same_everywhere() {
        are_named_alike::<OrphanOutcome>();
    }
}
