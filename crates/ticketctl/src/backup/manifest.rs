//! What a backup says of itself. It is written last: a folder that has none is no backup.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fleet::version;

/// The file's name.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Goes up whenever a program that knows the previous one would misread the new one.
const FORMAT: u32 = 1;

/// What every fleet has that ever ran; a backup without one of them is not whole.
const OWNED: [&str; 5] = ["auth/users", "tickets/tickets", "orders/orders", "payments/payments", "expiration/timers"];

/// The whole backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The layout of the folder.
    pub(crate) format: u32,
    /// The public address of the fleet.
    pub(crate) fleet: String,
    /// The release of the program that wrote it.
    pub(crate) release: String,
    /// MongoDB's feature compatibility version.
    pub(crate) mongodb: String,
    /// Shortly before the moment of which it is.
    pub(crate) began: Timestamp,
    /// By `database/collection`.
    pub(crate) collections: BTreeMap<String, Collection>,
}

/// One collection's documents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Collection {
    /// How many documents it has.
    pub(crate) documents: u64,
    /// How long their BSON is.
    pub(crate) bytes: u64,
    /// The SHA-256 of their BSON, in hexadecimal digits.
    pub(crate) sha256: String,
}

impl Manifest {
    /// Of a backup that begins now.
    pub(crate) fn begin(fleet: &str, mongodb: (u32, u32), began: Timestamp) -> Self {
        Self {
            format: FORMAT,
            fleet: fleet.to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            mongodb: format!("{}.{}", mongodb.0, mongodb.1),
            began,
            collections: BTreeMap::new(),
        }
    }

    /// That of the backup in this folder.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let text = fs::read_to_string(folder.join(MANIFEST)).context("its manifest can't be read")?;
        serde_json::from_str(&text).context("its manifest is damaged")
    }

    /// Refuses what does not fit: another fleet's, a newer release's, a newer MongoDB's, one that is not whole.
    pub(crate) fn ensure_fits(&self, fleet: &str, mongodb: (u32, u32)) -> Result<()> {
        ensure!(
            self.format == FORMAT,
            "it has format {}, and this program reads {FORMAT}: use the ticketctl of release {}",
            self.format,
            self.release
        );
        ensure!(
            version(&self.release) <= version(env!("CARGO_PKG_VERSION")),
            "it was made by the newer release {}: deploy that one first",
            self.release
        );
        ensure!(
            self.fleet == fleet,
            "it is of the fleet {}, and this one is {fleet}: to bring it here on purpose, set PUBLIC_URL to that address",
            self.fleet
        );
        ensure!(
            version(&self.mongodb).is_some_and(|version| version <= mongodb),
            "it is of MongoDB {}, and this server is of {}.{}: update MongoDB first",
            self.mongodb,
            mongodb.0,
            mongodb.1
        );
        for owned in OWNED {
            ensure!(self.collections.contains_key(owned), "it is not whole: {owned} is missing");
        }
        Ok(())
    }

    /// How much it has, of when and of what.
    pub(crate) fn summary(&self) -> String {
        let documents: u64 = self.collections.values().map(|collection| collection.documents).sum();
        let bytes: u64 = self.collections.values().map(|collection| collection.bytes).sum();
        format!(
            "{documents} documents of {} collections, {} MB, of {} as it was shortly after {}",
            self.collections.len(),
            bytes / 1_000_000,
            self.fleet,
            self.began
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Manifest {
        let mut manifest = Manifest::begin("https://a.example", (7, 0), Timestamp::from_millis(0));
        manifest.collections = OWNED.iter().map(|name| ((*name).to_owned(), Collection::default())).collect();
        manifest
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let refusal = |manifest: Manifest| manifest.ensure_fits("https://a.example", (7, 0)).unwrap_err().to_string();
        whole().ensure_fits("https://a.example", (7, 0)).unwrap();
        whole().ensure_fits("https://a.example", (8, 0)).unwrap();
        assert!(refusal(Manifest { format: 2, ..whole() }).contains("format 2"));
        assert!(refusal(Manifest { release: "99.0.0".to_owned(), ..whole() }).contains("newer release 99.0.0"));
        assert!(refusal(Manifest { fleet: "https://b.example".to_owned(), ..whole() }).contains("https://b.example"));
        assert!(refusal(Manifest { mongodb: "8.0".to_owned(), ..whole() }).contains("update MongoDB"));
        let mut part = whole();
        part.collections.remove("orders/orders");
        assert!(refusal(part).contains("orders/orders is missing"));
    }
}
