//! The reports of `dead-letters`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::output::Report;

/// `dead-letters list`: all dead letters.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterList {
    /// The dead letters, the oldest first.
    pub dead_letters: Vec<DeadLetter>,
}

/// One dead letter of a list. A field that the message lacks is `?`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The number that `show`, `replay` and `drop` take.
    pub number: u64,
    /// The consumer that rejected the message.
    pub consumer: String,
    /// How often the consumer received it.
    pub attempts: String,
    /// The subject that it was published on.
    pub subject: String,
    /// Why it was rejected.
    pub reason: String,
}

impl Report for DeadLetterList {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for DeadLetter { number, consumer, attempts, subject, reason } in &self.dead_letters {
            writeln!(to, "{number}  {consumer}  {attempts} attempts  {subject}  {reason}")?;
        }
        writeln!(to, "{} dead letters", self.dead_letters.len())
    }
}

/// `dead-letters show`: one dead letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetterContent {
    /// Its number in the list.
    pub number: u64,
    /// The values of each header.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The message as JSON; a string if it is not JSON.
    pub message: Value,
}

impl Report for DeadLetterContent {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for (name, values) in &self.headers {
            for value in values {
                writeln!(to, "{name}: {value}")?;
            }
        }
        match &self.message {
            Value::String(message) => writeln!(to, "\n{message}"),
            event => writeln!(to, "\n{event:#}"),
        }
    }
}

/// `dead-letters replay`: the dead letters that were published again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLettersReplayed {
    /// Their former numbers.
    pub replayed: Vec<u64>,
}

impl Report for DeadLettersReplayed {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        writeln!(to, "{} dead letters replayed", self.replayed.len())
    }
}

/// `dead-letters drop`: the dead letters that were removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLettersDropped {
    /// Their former numbers.
    pub dropped: Vec<u64>,
}

impl Report for DeadLettersDropped {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        writeln!(to, "{} dead letters dropped", self.dropped.len())
    }
}
