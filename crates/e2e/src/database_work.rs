//! Measures MongoDB's work by its own counters. Counts, unlike durations, are the same on every machine.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};

/// MongoDB's work from its start to a point in time.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Number of `find`, `getMore`, `aggregate`, `count` and `findAndModify` commands.
    reads: f64,
    /// Number of documents inserted, updated and deleted.
    written: f64,
    /// When the counters were read.
    at: Instant,
}

impl Work {
    /// Reads the counters.
    ///
    /// # Errors
    /// When the command fails, or a counter is missing.
    pub async fn now(mongodb: &Client) -> Result<Self> {
        let status = mongodb.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
        let sum = |paths: &[&str]| paths.iter().map(|path| number_at(&status, path)).sum::<Result<f64>>();
        let commands = ["aggregate", "count", "findAndModify"].map(|name| format!("metrics.commands.{name}.total"));
        let [aggregate, count, find_and_modify] = commands.each_ref().map(String::as_str);
        let reads = sum(&["opcounters.query", "opcounters.getmore", aggregate, count, find_and_modify])?;
        let written = sum(&["metrics.document.inserted", "metrics.document.updated", "metrics.document.deleted"])?;
        Ok(Self { reads, written, at: Instant::now() })
    }

    /// The reads and the written documents between `earlier` and `self`, minus those of a fleet at rest in the same
    /// time. `rest` has the reads and the written documents per second of such a fleet.
    pub fn since(self, earlier: Self, rest: (f64, f64)) -> (f64, f64) {
        let seconds = self.seconds_since(earlier);
        (self.reads - earlier.reads - rest.0 * seconds, self.written - earlier.written - rest.1 * seconds)
    }

    /// The time between `earlier` and `self`, in seconds.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.at.duration_since(earlier.at).as_secs_f64()
    }
}

/// Numbers of reads and of writes since MongoDB started, by `database.collection`. They include those of a fleet at
/// rest.
pub type Operations = BTreeMap<String, [f64; 2]>;

/// Reads the operations of all collections except those in MongoDB's own databases.
///
/// # Errors
/// When the command fails, or a counter is missing.
pub async fn operations(mongodb: &Client) -> Result<Operations> {
    let top = mongodb.database("admin").run_command(doc! { "top": 1 }).await?;
    let is_of_services =
        |name: &str| !["admin.", "config.", "local."].iter().any(|database| name.starts_with(database));
    let mut operations = Operations::new();
    for (name, counts) in top.get_document("totals")? {
        let Some(counts) = counts.as_document().filter(|_| is_of_services(name)) else { continue };
        let sum = |kinds: &[&str]| kinds.iter().map(|kind| number_at(counts, &format!("{kind}.count"))).sum();
        let reads: Result<f64> = sum(&["queries", "getmore", "commands"]);
        operations.insert(name.clone(), [reads?, sum(&["insert", "update", "remove"])?]);
    }
    Ok(operations)
}

/// The number at a dotted path of a document, whichever of its numeric types MongoDB uses.
pub(crate) fn number_at(document: &Document, path: &str) -> Result<f64> {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let parents = parents.split('.').filter(|parent| !parent.is_empty());
    let mut parent = document;
    for name in parents {
        parent = parent.get_document(name).with_context(|| format!("looking up {path}"))?;
    }
    match parent.get(name) {
        Some(Bson::Int32(number)) => Ok(f64::from(*number)),
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        Some(Bson::Int64(number)) => Ok(*number as f64),
        Some(Bson::Double(number)) => Ok(*number),
        other => bail!("{path} is not a number but {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_found_whatever_its_type() {
        let document = doc! { "a": 1, "b": { "c": 2_i64, "d": { "e": 2.5 } }, "text": "3" };
        let numbers = ["a", "b.c", "b.d.e"].map(|path| number_at(&document, path).unwrap());
        assert_eq!(numbers.map(|number| number.to_string()), ["1", "2", "2.5"]);
        for path in ["text", "b.x", "x.c"] {
            assert!(number_at(&document, path).unwrap_err().to_string().contains(path), "{path}");
        }
    }
}
