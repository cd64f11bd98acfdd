//! What commands print and how they end: one report on stdout, progress on stderr, and the exit code.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

/// The exit codes, as `--help` lists them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  the audit found violations
  4  rejected: nothing was changed";

/// The form of the report on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Human-readable lines.
    Text,
    /// One JSON document.
    Json,
}

/// The result of a command. Its JSON form is stable: fields are only added.
pub trait Report: Serialize {
    /// Writes the report as human-readable lines.
    fn text(&self, to: &mut dyn Write) -> io::Result<()>;
}

impl Output {
    /// Prints a command's report on stdout.
    pub(crate) fn print(self, report: &impl Report) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match self {
            Self::Text => report.text(&mut stdout)?,
            Self::Json => {
                serde_json::to_writer_pretty(&mut stdout, report)?;
                writeln!(stdout)?;
            }
        }
        Ok(stdout.flush()?)
    }
}

/// Returns the lines of a report, without a line break at the end.
pub(crate) fn text_of(report: &impl Report) -> Result<String> {
    let mut text: Vec<u8> = Vec::new();
    report.text(&mut text)?;
    Ok(String::from_utf8(text)?.trim_end().to_owned())
}

/// The outcome of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The command is done.
    Done,
    /// The audit found violated invariants, which the report lists.
    Violated,
}

impl Outcome {
    /// The exit code of the program.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Violated => ExitCode::from(3),
        }
    }
}

/// The exit code after this error: 4 if the command was rejected, otherwise 1.
pub fn exit_code_of(error: &anyhow::Error) -> ExitCode {
    if error.is::<Rejected>() { ExitCode::from(4) } else { ExitCode::FAILURE }
}

/// Why a command was rejected before it changed anything. An error, or the context of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected(pub(crate) String);

impl Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing was changed: {}", self.0)
    }
}

impl std::error::Error for Rejected {}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn rejection_is_recognised_as_error_and_as_context() {
        let rejected = || Rejected("it is damaged".to_owned());
        for error in [
            anyhow!(rejected()).context("restore check"),
            Err::<(), _>(anyhow!("checksum mismatch")).context(rejected()).context("restore check").unwrap_err(),
        ] {
            assert_eq!(exit_code_of(&error), ExitCode::from(4));
            assert!(format!("{error:#}").contains("nothing was changed: it is damaged"), "{error:#}");
        }
        assert_eq!(exit_code_of(&anyhow!("nothing was changed: NATS is not reachable")), ExitCode::FAILURE);
    }
}
