//! The manifest of a backup. It is written last: a directory without a manifest is not a backup.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fleet::version;
use crate::reports::BackupSummary;

pub(crate) const MANIFEST: &str = "manifest.json";

/// Version of the backup format. Incremented whenever an earlier release would misread the new format.
const FORMAT: u32 = 1;

/// The collections that every fleet has once it has run. A backup that lacks one is incomplete.
const REQUIRED_COLLECTIONS: [&str; 5] =
    ["auth/users", "tickets/tickets", "orders/orders", "payments/payments", "expiration/timers"];

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The version of the backup format.
    pub(crate) format: u32,
    pub(crate) fleet: String,
    /// The release that created the backup.
    pub(crate) release: String,
    /// MongoDB's feature compatibility version.
    pub(crate) mongodb: String,
    /// Start of the backup, slightly before the point in time of its snapshot. Format 1 calls it `began`.
    #[serde(rename = "began")]
    pub(crate) started_at: Timestamp,
    /// The summaries by `database/collection`.
    pub(crate) collections: BTreeMap<String, CollectionSummary>,
}

/// Size and checksum of one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CollectionSummary {
    pub(crate) documents: u64,
    /// The size of their BSON.
    pub(crate) bytes: u64,
    /// The SHA-256 of their BSON in hexadecimal.
    pub(crate) sha256: String,
}

impl Manifest {
    /// The manifest of a new backup, without collections.
    pub(crate) fn new(fleet: &str, mongodb: (u32, u32), started_at: Timestamp) -> Self {
        Self {
            format: FORMAT,
            fleet: fleet.to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            mongodb: format!("{}.{}", mongodb.0, mongodb.1),
            started_at,
            collections: BTreeMap::new(),
        }
    }

    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let text = fs::read_to_string(directory.join(MANIFEST)).context("its manifest can't be read")?;
        serde_json::from_str(&text).context("its manifest is damaged")
    }

    /// Rejects a backup of another fleet, of a newer release or of a newer MongoDB, and an incomplete one.
    pub(crate) fn ensure_restorable(&self, fleet: &str, mongodb: (u32, u32)) -> Result<()> {
        let Self { format, release, fleet: own_fleet, mongodb: own_mongodb, collections, .. } = self;
        ensure!(
            *format == FORMAT,
            "its format is {format}, and this program reads format {FORMAT}: use the ticketctl of release {release}"
        );
        let is_older = version(release) <= version(env!("CARGO_PKG_VERSION"));
        ensure!(is_older, "it was created by the newer release {release}: deploy that release first");
        ensure!(
            own_fleet == fleet,
            "it belongs to the fleet {own_fleet}, not to {fleet}: to restore it here on purpose, set PUBLIC_URL to it"
        );
        let is_supported = version(own_mongodb).is_some_and(|version| version <= mongodb);
        let (major, minor) = mongodb;
        ensure!(is_supported, "it is from MongoDB {own_mongodb}, this server is {major}.{minor}: update MongoDB first");
        for collection in REQUIRED_COLLECTIONS {
            ensure!(collections.contains_key(collection), "it is incomplete: {collection} is missing");
        }
        Ok(())
    }

    /// The contents in brief.
    pub(crate) fn summary(&self) -> BackupSummary {
        BackupSummary {
            fleet: self.fleet.clone(),
            started_at: self.started_at,
            collections: self.collections.len(),
            documents: self.collections.values().map(|collection| collection.documents).sum(),
            bytes: self.collections.values().map(|collection| collection.bytes).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Manifest {
        let mut manifest = Manifest::new("https://a.example", (7, 0), Timestamp::from_millis(0));
        manifest.collections =
            REQUIRED_COLLECTIONS.iter().map(|name| ((*name).to_owned(), CollectionSummary::default())).collect();
        manifest
    }

    #[test]
    fn incompatible_backups_are_rejected_with_advice() {
        let rejection =
            |manifest: Manifest| manifest.ensure_restorable("https://a.example", (7, 0)).unwrap_err().to_string();
        complete().ensure_restorable("https://a.example", (7, 0)).unwrap();
        complete().ensure_restorable("https://a.example", (8, 0)).unwrap();
        assert!(rejection(Manifest { format: 2, ..complete() }).contains("format is 2"));
        assert!(rejection(Manifest { release: "99.0.0".to_owned(), ..complete() }).contains("newer release 99.0.0"));
        assert!(
            rejection(Manifest { fleet: "https://b.example".to_owned(), ..complete() }).contains("https://b.example")
        );
        assert!(rejection(Manifest { mongodb: "8.0".to_owned(), ..complete() }).contains("update MongoDB"));
        let mut incomplete = complete();
        incomplete.collections.remove("orders/orders");
        assert!(rejection(incomplete).contains("orders/orders is missing"));
    }
}
