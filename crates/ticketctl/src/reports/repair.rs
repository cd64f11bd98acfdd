//! The reports of `ticketctl audit --repair`, and of the commands `raise`, `void` and `release`.

use std::fmt::{self, Display};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::AuditReport;
use crate::output::Report;

/// The report of `audit --repair`: the first audit, the results of the commands, and the audit after them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepairReport {
    /// The audit before the repair.
    pub before: AuditReport,
    /// The results of the commands, in order; empty if no command can repair the findings.
    pub commands: Vec<CommandResult>,
    /// The audit after the repair; null if there were no commands.
    pub after: Option<AuditReport>,
}

/// The result of a repair command. It is also the report of `raise`, `void` and `release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The command line that runs the command alone.
    pub command: String,
    /// Whether it was carried out.
    pub outcome: CommandOutcome,
    /// What was done, or why the command was skipped or failed.
    pub detail: String,
}

/// Whether a command was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandOutcome {
    /// It was carried out.
    Done,
    /// It was not run, or not repeated after a temporary error: it became unnecessary or impossible.
    Skipped,
    /// It failed, for example because the service rejected it or is not reachable.
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
