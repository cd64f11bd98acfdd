//! `cargo xtask mutations`: mutation tests of the chaos test. Breaks one rule of the product at a time, in a scratch
//! worktree, and checks that chaos or a test reveals it.
//!
//! In reading order: [`catalogue`] (the mutations), [`scratch_tree`] (the worktree), [`findings`] (what chaos found).

mod catalogue;
mod findings;
mod scratch_tree;

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use testkit::tools::progress;
use tokio::process::Command;

use self::catalogue::{Expected, MUTATIONS, Mutation};
use self::findings::Findings;
use self::scratch_tree::ScratchTree;
use crate::signals::StopSignals;
use crate::{cargo, npm};

/// The seed of the chaos test in `cargo xtask test`, which finds nothing without a mutation.
const SEED: &str = "15";
/// Duration of the faults in minutes.
const MINUTES: &str = "2";
/// Number of simulated users, small enough for a debug build.
const VISITORS: &str = "25";
/// Maximum number of seconds for the fleet to settle after the faults. A mutated fleet may never settle.
const SETTLE: &str = "90";

/// Breaks one rule of the product at a time, and checks that two minutes of chaos, or a test, reveal it. Uses a scratch
/// worktree of HEAD, without uncommitted changes. Prints a table, and fails if a mutation is not revealed or if the
/// control has a finding. Keeps logs in target/mutations. Each mutation takes several minutes.
#[derive(Debug, Args)]
pub(crate) struct MutationsArgs {
    /// Mutations to run; all by default. An unknown name lists all names.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// The result of running a mutation.
#[derive(Debug)]
struct Outcome {
    mutation: &'static Mutation,
    /// Whether the expected result occurred.
    is_expected: bool,
    /// What was found, for the table: the findings of chaos, or the failed test.
    found: String,
    /// Seconds from the start of the run to the first expected finding, or to the end of the failed test.
    after: Option<f64>,
}

pub(crate) async fn run(args: MutationsArgs) -> Result<()> {
    let selected = select(&args.names)?;
    let mut outcomes = Vec::new();
    let ended = StopSignals::install()?.unless_interrupted(run_all(&selected, &mut outcomes)).await;
    // Print the outcomes so far, even if a later run has failed.
    print!("{}", table(&outcomes));
    ended?;
    let unexpected: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_expected).collect();
    let names: Vec<_> = unexpected.iter().map(|outcome| outcome.mutation.name).collect();
    ensure!(names.is_empty(), "unexpected outcomes: {}", names.join(", "));
    Ok(())
}

/// The mutations with these names; all mutations if `names` is empty.
fn select(names: &[String]) -> Result<Vec<&'static Mutation>> {
    let known = || MUTATIONS.iter().map(|mutation| mutation.name).collect::<Vec<_>>().join(", ");
    if let Some(name) = names.iter().find(|name| MUTATIONS.iter().all(|mutation| mutation.name != **name)) {
        bail!("there is no mutation called {name}; there are {}", known());
    }
    let is_selected = |mutation: &&Mutation| names.is_empty() || names.iter().any(|name| name == mutation.name);
    Ok(MUTATIONS.iter().filter(is_selected).collect())
}

async fn run_all(selected: &[&'static Mutation], outcomes: &mut Vec<Outcome>) -> Result<()> {
    npm::install(npm::WEB).await?;
    let tree = ScratchTree::create()?;
    for mutation in selected.iter().copied() {
        tree.set_edits(mutation.edits)?;
        progress("Mutating", &format!("{}: {}", mutation.name, mutation.breaks));
        let outcome = try_mutation(&tree, mutation).await.context(mutation.name)?;
        progress("Found", &format!("{}: {}", mutation.name, outcome.found));
        outcomes.push(outcome);
    }
    Ok(())
}

/// Builds the mutated programs, and runs chaos or the expected test.
async fn try_mutation(tree: &ScratchTree, mutation: &'static Mutation) -> Result<Outcome> {
    let packages = ["fakestripe", "ticketctl", "e2e"];
    cargo::run(tree.cargo(&cargo::build_arguments(&packages, false)), "cargo build").await?;
    match mutation.expected {
        Expected::NoFinding => {
            let findings = run_chaos(tree, mutation.name).await?;
            let (is_expected, found) = (findings.is_empty(), findings.summary());
            Ok(Outcome { mutation, is_expected, found, after: None })
        }
        Expected::Violation(invariants) => {
            let findings = run_chaos(tree, mutation.name).await?;
            let after = findings.first_of(invariants);
            Ok(Outcome { mutation, is_expected: after.is_some(), found: findings.summary(), after })
        }
        Expected::FailedTest { name, message } => {
            let after = run_test(tree, mutation.name, name, message).await?;
            let found = if after.is_some() { format!("the test {name}") } else { "nothing".to_owned() };
            Ok(Outcome { mutation, is_expected: after.is_some(), found, after })
        }
    }
}

/// Runs chaos on a fleet of the mutated programs, and returns its findings.
///
/// # Errors
/// If chaos fails without a finding.
async fn run_chaos(tree: &ScratchTree, mutation: &str) -> Result<Findings> {
    let folder = tree.root().join("target/chaos").join(SEED);
    // Remove the timeline of an earlier mutation, so that its findings do not count for this one.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    let (path, log) = tree.create_log(mutation)?;
    let mut chaos = Command::new(tree.program("chaos"));
    chaos
        .args(["--minutes", MINUTES, "--seed", SEED, "--visitors", VISITORS, "--settle", SETTLE])
        .current_dir(tree.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    let status = chaos.status().await.context("chaos can't be started")?;
    let timeline = fs::read_to_string(folder.join("timeline.jsonl")).unwrap_or_default();
    let findings = Findings::read(&timeline)?;
    ensure!(status.success() || !findings.is_empty(), "chaos failed ({status}); see {}", path.display());
    Ok(findings)
}

/// Runs a test of the crate `e2e`. Returns how many seconds it took to fail with this message; `None` if it passed.
///
/// # Errors
/// If the test was not run, or failed with another message.
async fn run_test(tree: &ScratchTree, mutation: &str, test: &str, message: &str) -> Result<Option<f64>> {
    let binary = ["test", "--quiet", "--package", "e2e", "--test", "it"];
    cargo::run(tree.cargo(&[&binary[..], &["--no-run"]].concat()), "cargo test --no-run").await?;
    let (path, log) = tree.create_log(mutation)?;
    let mut command = tree.cargo(&[&binary[..], &["--", "--exact", test]].concat());
    command.env("RUST_BACKTRACE", "0").stdout(log.try_clone()?).stderr(log);
    let began = Instant::now();
    let status = command.status().await.context("cargo test can't be started")?;
    let printed = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(printed.contains("running 1 test"), "the test {test} was not run; see {}", path.display());
    if status.success() {
        return Ok(None);
    }
    ensure!(printed.contains(message), "{test} failed for another reason; see {}", path.display());
    Ok(Some(began.elapsed().as_secs_f64()))
}

/// The outcomes as a Markdown table.
fn table(outcomes: &[Outcome]) -> String {
    let mut text = "| mutation | what it breaks | found | after, s | |\n|---|---|---|--:|---|\n".to_owned();
    for Outcome { mutation, is_expected, found, after } in outcomes {
        let Mutation { name, breaks, .. } = mutation;
        let after = after.map(|after| format!("{after:.0}")).unwrap_or_default();
        let remark = if *is_expected { "as expected" } else { "**not as expected**" };
        // Writing to a string can't fail.
        let _ = writeln!(text, "| `{name}` | {breaks} | {found} | {after} | {remark} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_selected_by_name() {
        assert_eq!(select(&[]).unwrap().len(), MUTATIONS.len());
        let selected = select(&["relay-off".to_owned(), "control".to_owned()]).unwrap();
        assert_eq!(selected.iter().map(|mutation| mutation.name).collect::<Vec<_>>(), ["control", "relay-off"]);
        let error = select(&["relay".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("there is no mutation called relay; there are control, "), "{error}");
    }

    #[test]
    fn table_marks_unexpected_outcomes() {
        let mutation = select(&["relay-off".to_owned()]).unwrap()[0];
        let found = || Outcome { mutation, is_expected: true, found: "8 one-event (3)".to_owned(), after: Some(129.6) };
        let missed = Outcome { is_expected: false, found: "nothing".to_owned(), after: None, ..found() };
        let table = table(&[found(), missed]);
        let breaks = mutation.breaks;
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                format!("| `relay-off` | {breaks} | 8 one-event (3) | 130 | as expected |"),
                format!("| `relay-off` | {breaks} | nothing |  | **not as expected** |"),
            ]
        );
    }
}
