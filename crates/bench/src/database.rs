//! Counts MongoDB's work by its own counters. Counts depend less on the machine than times.

use anyhow::{Context as _, Result};
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};

/// The commands that read or write documents.
const COMMANDS: [&str; 8] = ["aggregate", "count", "delete", "find", "findAndModify", "getMore", "insert", "update"];

/// MongoDB's work, from its start to a point in time or between two points.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DatabaseWork {
    /// Number of commands. One command may have the statements of many requests.
    pub(crate) commands: f64,
    /// Number of flushes of the journal.
    pub(crate) flushes: f64,
}

impl DatabaseWork {
    /// Reads the counters.
    pub(crate) async fn now(mongodb: &Client) -> Result<Self> {
        let status = mongodb.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
        let commands = COMMANDS.iter().map(|name| number_at(&status, &["metrics", "commands", name, "total"]));
        let flushes = number_at(&status, &["wiredTiger", "log", "log sync operations"])?;
        Ok(Self { commands: commands.sum::<Result<f64>>()?, flushes })
    }

    /// The work between `earlier` and `self`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { commands: self.commands - earlier.commands, flushes: self.flushes - earlier.flushes }
    }
}

/// The number at this path, of any of MongoDB's numeric types.
fn number_at(document: &Document, path: &[&str]) -> Result<f64> {
    let missing = || format!("serverStatus has no number at {}", path.join("."));
    let (name, parents) = path.split_last().with_context(missing)?;
    let mut parent = document;
    for name in parents {
        parent = parent.get_document(name).with_context(missing)?;
    }
    match parent.get(name).with_context(missing)? {
        Bson::Int32(number) => Ok(f64::from(*number)),
        #[expect(clippy::cast_precision_loss, reason = "counters are far below 2^53")]
        Bson::Int64(number) => Ok(*number as f64),
        Bson::Double(number) => Ok(*number),
        _ => anyhow::bail!(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_type_are_found() {
        let status = doc! { "a": { "int": 1_i32, "long": 2_i64, "double": 3.0, "text": "4" } };
        let found = |name| number_at(&status, &["a", name]);
        assert_eq!(["int", "long", "double"].map(|name| found(name).unwrap().to_string()), ["1", "2", "3"]);
        for wrong in ["text", "none"] {
            assert_eq!(found(wrong).unwrap_err().to_string(), format!("serverStatus has no number at a.{wrong}"));
        }
        assert!(number_at(&status, &["b", "int"]).is_err());
    }
}
