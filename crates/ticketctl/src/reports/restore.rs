//! The reports of `restore`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use common::api::admin::Orphan;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditReport, BackupSummary};
use crate::output::Report;

/// `restore check`: a backup that can be restored, and what restoring it would lose.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RestoreCheck {
    /// The directory of the backup.
    pub directory: String,
    /// Its contents.
    pub summary: BackupSummary,
    /// The entities created or changed after the backup, by kind.
    pub losses: Vec<Loss>,
    /// Number of orders completed after the backup.
    pub purchases: u64,
}

/// What a restore would lose of one kind of entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// The kind of entity: accounts, listings, orders or payments.
    pub entities: String,
    /// Whether the database has no entity of this kind. Then it can't be compared with the backup.
    pub is_empty: bool,
    /// Number of entities created after the backup.
    pub created: u64,
    /// Number of older entities changed after the backup.
    pub changed: u64,
}

impl Report for RestoreCheck {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        let Self { directory, summary, losses, purchases } = self;
        // infra/operations/restore.sh parses this line.
        writeln!(to, "{directory} is whole: {summary}")?;
        writeln!(to, "changes after {}, which would be lost:", summary.started_at)?;
        for Loss { entities, is_empty, created, changed } in losses {
            if *is_empty {
                writeln!(to, "  {entities}: the collection is empty")?;
            } else {
                writeln!(to, "  {entities}: {created} created, {changed} changed")?;
            }
        }
        writeln!(to, "  purchases: {purchases} completed; `restore settle` finds and refunds their charges")
    }
}

/// `restore load`: the databases are those of the backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreLoaded {
    /// The directory of the backup.
    pub directory: String,
    /// Its contents.
    pub summary: BackupSummary,
    /// The streams that were deleted.
    pub deleted_streams: Vec<StreamMessages>,
}

impl Report for RestoreLoaded {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        writeln!(
            to,
            "the databases are as they were shortly after {}; the replaced collections are kept until `restore finish`",
            self.summary.started_at
        )
    }
}

/// A stream and its number of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamMessages {
    /// The name of the stream.
    pub stream: String,
    /// Number of stored messages.
    pub messages: u64,
}

/// `restore settle`: replicas are consistent with their owners, and orphaned intents are refunded or cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSettled {
    /// Start of the period whose intents were compared with the payments.
    pub since: Timestamp,
    /// Number of entities of which snapshots were published, by owner and collection.
    pub announced: BTreeMap<String, BTreeMap<String, u64>>,
    /// The orphaned intents, each with what was done about it.
    pub orphans: Vec<Orphan>,
    /// Number of orphans that were refunded or cancelled.
    pub settled: usize,
    /// Number of orphans that could not be queried, refunded or cancelled.
    pub failed: usize,
    /// Whether `restore finish` may follow: nothing failed, or that was accepted.
    pub is_settled: bool,
}

impl Report for RestoreSettled {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for Orphan { reference, payment, amount, currency, outcome } in &self.orphans {
            writeln!(to, "{reference}  {}  {amount} {currency}  payment {payment}", outcome.as_ref())?;
        }
        // `cargo xtask cluster-test` parses this line.
        let settled = self.settled;
        writeln!(to, "{settled} charges and authorisations made after the backup were refunded or cancelled")?;
        if self.is_settled {
            writeln!(to, "start expiration, then run `restore finish`")?;
        }
        Ok(())
    }
}

/// `restore finish`: the audit, and whether the restore is finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RestoreFinished {
    /// The audit; null if it passed in an earlier run.
    pub audit: Option<AuditReport>,
    /// The directory of the backup that is restored; null if no restore was in progress or the audit found violations.
    pub restored: Option<String>,
}

impl Report for RestoreFinished {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        if let Some(audit) = &self.audit {
            audit.text(to)?;
            if !audit.findings.is_empty() {
                writeln!(to, "the replaced collections are kept until the audit of `restore finish` passes")?;
            }
        }
        if let Some(backup) = &self.restored {
            writeln!(to, "{backup} is restored, and the replaced collections are deleted")?;
        }
        Ok(())
    }
}

/// `restore rollback`: the replaced data is back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRolledBack {
    /// The directory of the backup whose restore was undone; null if nothing had been replaced.
    pub backup: Option<String>,
    /// The streams that were deleted.
    pub deleted_streams: Vec<StreamMessages>,
}

impl Report for RestoreRolledBack {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        let Some(backup) = &self.backup else {
            return writeln!(to, "nothing was replaced: the databases are unchanged");
        };
        writeln!(to, "the data that the backup {backup} had replaced is restored")?;
        writeln!(to, "start the services, then resync auth, tickets, orders, payments and expiration")
    }
}

/// `restore status`: the stage of the unfinished restore.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RestoreStatus {
    /// none, swapping, loaded, settled or ending.
    pub stage: String,
}

impl Report for RestoreStatus {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        // infra/operations/restore.sh parses this line.
        writeln!(to, "{}", self.stage)
    }
}

/// `restore delete-streams`: the streams that were deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamsDeleted {
    /// The deleted streams.
    pub deleted: Vec<StreamMessages>,
}

impl Report for StreamsDeleted {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        writeln!(to, "{} streams are deleted", self.deleted.len())
    }
}
