//! The reports of the commands: the JSON documents of `--output json`, and their text.

pub mod dead_letters;
pub mod follow;
pub mod repair;
pub mod restore;
mod roles;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io::{self, Write};

use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::finding::Finding;
use crate::output::Report;

/// Maximum number of findings in the text of an audit; the JSON document has all.
const MAX_LISTED_FINDINGS: usize = 20;

/// The contents of one backup in brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupSummary {
    /// The public URL of the fleet.
    pub fleet: String,
    /// Start of the backup, slightly before the point in time of its snapshot.
    pub started_at: Timestamp,
    /// Number of collections.
    pub collections: usize,
    /// Number of documents in all collections.
    pub documents: u64,
    /// The size of the documents' BSON.
    pub bytes: u64,
}

impl Display for BackupSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fleet, started_at, collections, documents, bytes } = self;
        let megabytes = bytes / 1_000_000;
        write!(
            f,
            "{documents} documents of {collections} collections, {megabytes} MB, of {fleet} shortly after {started_at}"
        )
    }
}

/// `backup`: the new backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTaken {
    /// The directory of the new backup.
    pub directory: String,
    /// Its contents.
    pub summary: BackupSummary,
    /// The names of older backups that were deleted.
    pub deleted: Vec<String>,
}

impl Report for BackupTaken {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for name in &self.deleted {
            writeln!(to, "deleted {name}")?;
        }
        // `cargo xtask cluster-test` parses the last line.
        writeln!(to, "{}: {}", self.directory, self.summary)
    }
}

/// `backups`: all backups, the newest last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackupList {
    /// The backups by the time when they were started.
    pub backups: Vec<ListedBackup>,
}

/// One backup of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedBackup {
    /// The name that `restore` takes.
    pub name: String,
    /// Its contents; null if it can't be restored.
    pub summary: Option<BackupSummary>,
    /// Why it can't be restored; null if its manifest can be read.
    pub problem: Option<String>,
}

impl Report for BackupList {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for ListedBackup { name, summary, problem } in &self.backups {
            match summary {
                Some(summary) => writeln!(to, "{name}  {summary}")?,
                None => writeln!(to, "{name}  can't be restored: {}", problem.as_deref().unwrap_or_default())?,
            }
        }
        Ok(())
    }
}

/// `audit`: the violated invariants.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditReport {
    /// Number of audited entities by collection.
    pub audited: BTreeMap<String, usize>,
    /// Number of documents and events that were read.
    pub documents: u64,
    /// The violations, each with the number and name of its invariant in docs/reliability.md; empty if all invariants
    /// hold.
    pub findings: Vec<Finding>,
    /// Number of further documents that seemed to violate an invariant and were not rechecked, because there were too
    /// many.
    pub unlisted: u64,
    /// What was not checked, and why: the invariants of the streams or of the provider.
    #[serde(default)]
    pub unchecked: Vec<String>,
}

impl Report for AuditReport {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        self.text_of_findings(to)?;
        self.unchecked.iter().try_for_each(|unchecked| writeln!(to, "not checked: {unchecked}"))
    }
}

impl AuditReport {
    /// Whether suspects were not rechecked, and none of the others persisted.
    pub(crate) fn is_inconclusive(&self) -> bool {
        self.unlisted > 0 && self.findings.is_empty()
    }

    fn text_of_findings(&self, to: &mut dyn Write) -> io::Result<()> {
        let audited: Vec<_> = self.audited.iter().map(|(collection, count)| format!("{count} {collection}")).collect();
        let audited = audited.join(", ");
        if self.findings.is_empty() {
            // `cargo xtask cluster-test` parses this line.
            return writeln!(to, "the audit passed: {audited}");
        }
        writeln!(to, "the audit found {} persistent violations in {audited}:", self.findings.len())?;
        for finding in self.findings.iter().take(MAX_LISTED_FINDINGS) {
            writeln!(to, "{finding}")?;
        }
        match self.findings.len().saturating_sub(MAX_LISTED_FINDINGS) {
            0 => {}
            more => writeln!(to, "and {more} more; `--output json` lists all")?,
        }
        match self.unlisted {
            0 => Ok(()),
            unlisted => writeln!(to, "{unlisted} further documents seemed wrong and were not rechecked"),
        }
    }
}

/// `resync`: what a service announced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resynced {
    /// The service.
    pub service: String,
    /// Number of announced entities by collection.
    pub announced: BTreeMap<String, u64>,
}

impl Report for Resynced {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for (collection, count) in &self.announced {
            writeln!(to, "{count} {collection} announced")?;
        }
        Ok(())
    }
}

/// `rebuild`: the read model that pages read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadModel {
    /// The number of the generation that pages read: the complete set of collections that the last rebuild filled.
    pub live: i64,
    /// Whether the rebuild was abandoned.
    pub abandoned: bool,
}

impl Report for ReadModel {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        if self.abandoned {
            writeln!(to, "no rebuild is under way")
        } else {
            writeln!(to, "pages read generation {}", self.live)
        }
    }
}
