//! The reports of `audit --repair` and of its commands.

use std::fmt::{self, Display};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::AuditReport;
use crate::output::Report;

/// `audit --repair`: the audit, the commands that were run, and the audit after them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepairReport {
    /// The audit before the repair.
    pub before: AuditReport,
    /// The commands that were run, in order; empty if no command repairs what was found.
    pub commands: Vec<CommandResult>,
    /// The audit after the repair; null if no command was run.
    pub after: Option<AuditReport>,
}

/// `raise`, `void` and `release`: what came of the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The command, as it can be run alone.
    pub command: String,
    /// What came of it.
    pub outcome: CommandOutcome,
    /// What was done, or why nothing was.
    pub detail: String,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandOutcome {
    /// It was carried out.
    Done,
    /// The commands before it have made it unnecessary or impossible.
    Skipped,
    /// The service rejected, or is not reachable.
    Failed,
}

impl RepairReport {
    /// The last audit, which decides the exit code.
    pub fn last_audit(&self) -> &AuditReport {
        self.after.as_ref().unwrap_or(&self.before)
    }
}

impl Display for CommandResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, outcome, detail } = self;
        let outcome = match outcome {
            CommandOutcome::Done => "done",
            CommandOutcome::Skipped => "skipped",
            CommandOutcome::Failed => "failed",
        };
        write!(f, "{command}: {outcome}: {detail}")
    }
}

impl Report for CommandResult {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        writeln!(to, "{self}")
    }
}

impl Report for RepairReport {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for command in &self.commands {
            writeln!(to, "{command}")?;
        }
        self.last_audit().text(to)
    }
}
