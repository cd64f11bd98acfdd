//! Repairs: `ticketctl audit --repair`, and the commands `raise`, `void` and `release`, which run one repair alone.
//!
//! # Why
//! A repair is a request to the service that owns the entity. The service writes the entity with its own code, by
//! compare-and-swap and with an event; `ticketctl` itself writes to no database. What a command has to do depends on
//! the content of the databases, which earlier commands and other operators change. So it is decided once for the plan
//! or the question, and again before each request, including each repetition.

mod action;
mod decide;
mod inspect;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use common::id::{OrderId, PaymentId, TicketId};

use self::action::{Action, is_temporary};
use self::decide::{Decision, LossRule};
use self::inspect::Inspector;
use crate::audit::entity::owners;
use crate::audit::finding::Finding;
use crate::audit::names::advice;
use crate::audit::remedy::Remedy;
use crate::audit::{self, AuditOptions, Connections};
use crate::confirm::ask;
use crate::fleet::Fleet;
use crate::output::Rejected;
use crate::reports::repair::{CommandOutcome, CommandResult, RepairReport};
use crate::services::Services;

/// How long a request is repeated after a temporary error. For example, a service rejects a void or a release until it
/// has received the event that closes the order.
const RETRY_PERIOD: Duration = Duration::from_secs(10);
/// Pause before a repetition.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct RaiseArgs {
    /// The owner of the entity: auth (users), tickets, orders or payments.
    #[arg(value_parser = parse_owner)]
    service: String,
    /// The entity's id.
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct VoidArgs {
    /// The payment's id.
    payment: PaymentId,
    #[command(flatten)]
    loss: LossArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The listing's id.
    ticket: TicketId,
    /// The id of the order that seats of the listing are reserved for.
    order: OrderId,
    #[command(flatten)]
    loss: LossArgs,
}

#[derive(Debug, Args)]
struct LossArgs {
    /// If orders lacks the order, take it for lost even if raise could restore it. Without this option the command
    /// then fails.
    #[arg(long)]
    order_is_lost: bool,
}

/// A single command of a repair.
#[derive(Debug)]
pub(crate) struct Single {
    remedy: Remedy,
    rule: LossRule,
}

impl Single {
    fn new(remedy: Remedy, loss: &LossArgs) -> Self {
        Self { remedy, rule: if loss.order_is_lost { LossRule::Any } else { LossRule::Unrestorable } }
    }
}

impl From<RaiseArgs> for Single {
    fn from(RaiseArgs { service: owner, id }: RaiseArgs) -> Self {
        Self { remedy: Remedy::Raise { owner, id }, rule: LossRule::Unrestorable }
    }
}

impl From<VoidArgs> for Single {
    fn from(VoidArgs { payment, loss }: VoidArgs) -> Self {
        Self::new(Remedy::Void { payment: payment.to_string() }, &loss)
    }
}

impl From<ReleaseArgs> for Single {
    fn from(ReleaseArgs { ticket, order, loss }: ReleaseArgs) -> Self {
        Self::new(Remedy::Release { ticket: ticket.to_string(), order: order.to_string() }, &loss)
    }
}

fn parse_owner(name: &str) -> Result<String, String> {
    let owners = owners();
    let list = || owners.iter().copied().collect::<Vec<_>>().join(", ");
    let found = owners.get(name).map(|owner| (*owner).to_owned());
    found.ok_or_else(|| format!("the owners of replicated entities are {}", list()))
}

/// Runs one command after the operator has confirmed it. `yes` confirms it in advance.
///
/// # Errors
/// [`Rejected`] if the command is unnecessary or impossible, or not confirmed. Another error if a database can't be
/// read, or if the service does not carry out the command.
pub(crate) async fn run_one(single: Single, fleet: &Fleet, services: &Services, yes: bool) -> Result<CommandResult> {
    let Single { remedy, rule } = single;
    let action = match decide(&remedy, rule, fleet).await? {
        Decision::Act(action) => action,
        Decision::Skip(reason) => bail!(Rejected(reason)),
    };
    ask(&action.to_string(), yes)?;
    match decide(&remedy, rule, fleet).await? {
        Decision::Act(now) if now == action => {}
        Decision::Act(now) => bail!(Rejected(format!("the databases have changed; this would be done now: {now}"))),
        Decision::Skip(reason) => bail!(Rejected(reason)),
    }
    let (outcome, detail) = perform(&remedy, rule, &action, fleet, services).await?;
    Ok(CommandResult { command: remedy.to_string(), outcome, detail })
}

/// Audits, shows the plan of the repair, runs its commands after the operator has confirmed it, and audits again. If no
/// command can repair anything, there is no second audit.
///
/// # Errors
/// If an audit fails, if a database can't be read for the plan, or if the plan is not confirmed. A failed command is
/// part of the report.
pub(crate) async fn run(fleet: &Fleet, services: &Services, options: &AuditOptions, yes: bool) -> Result<RepairReport> {
    let before = audit::run(Connections::of(fleet), options).await?;
    let (plan, remedies) = plan(&before.findings, &fleet.client).await?;
    if remedies.is_empty() {
        if !plan.is_empty() {
            eprintln!("{plan}");
        }
        return Ok(RepairReport { before, commands: Vec::new(), after: None });
    }
    ask(&plan, yes)?;
    let mut commands = Vec::new();
    for (command, remedies) in in_commands(&remedies) {
        eprintln!("{command}");
        commands.push(carry_out(command, remedies, fleet, services).await);
    }
    match audit::run(Connections::of(fleet), options).await {
        Ok(after) => Ok(RepairReport { before, commands, after: Some(after) }),
        Err(error) => {
            for command in commands {
                eprintln!("{command}");
            }
            Err(error.context("the commands above were run, but not audited; run the audit again"))
        }
    }
}

/// Returns the text of the plan, and the remedies that have something to do, in the order in which they must run.
async fn plan(findings: &[Finding], client: &mongodb::Client) -> Result<(String, Vec<Remedy>)> {
    let inspector = Inspector::new(client, LossRule::Unpaid).await?;
    // For each remedy, what the owner would do, or why the command is not run.
    let mut decided: BTreeMap<&Remedy, Result<String, String>> = BTreeMap::new();
    let mut lines = Vec::new();
    for finding in findings {
        lines.push(finding.to_string());
        let (lines_before, mut skipped) = (lines.len(), Vec::new());
        for remedy in &finding.remedies {
            let decision = match decided.get(remedy) {
                Some(known) => known.clone(),
                None => match inspector.decide(remedy).await? {
                    Decision::Act(action) => Ok(action.to_string()),
                    Decision::Skip(reason) => Err(reason),
                },
            };
            match &decision {
                Ok(action) => lines.push(format!("  {remedy}: {action}")),
                Err(reason) => skipped.push(format!("  {remedy} is not run: {reason}")),
            }
            decided.insert(remedy, decision);
        }
        if lines.len() == lines_before {
            lines.append(&mut skipped);
            lines.push(format!("  no command repairs this: {}", advice(finding.invariant, &finding.kind)));
        }
    }
    let remedies = decided.into_iter().filter(|(_, decision)| decision.is_ok()).map(|(remedy, _)| remedy.clone());
    Ok((lines.join("\n"), remedies.collect()))
}

/// Divides sorted remedies into commands: the resyncs of one owner are one command, and every other remedy is a
/// separate command. Returns each command line with its remedies.
fn in_commands(remedies: &[Remedy]) -> Vec<(String, &[Remedy])> {
    let is_same_resync = |one: &Remedy, other: &Remedy| match (one, other) {
        (Remedy::Resync { owner: one, .. }, Remedy::Resync { owner: other, .. }) => one == other,
        _ => false,
    };
    let mut commands = Vec::new();
    for combined in remedies.chunk_by(is_same_resync) {
        let [first, others @ ..] = combined else { continue };
        let mut command = first.to_string();
        for other in others {
            if let Remedy::Resync { id, .. } = other {
                command.push(',');
                command.push_str(id);
            }
        }
        commands.push((command, combined));
    }
    commands
}

/// Runs one command, for a single remedy or for the resyncs of one owner. Skips a single remedy that earlier commands
/// have made unnecessary or impossible.
async fn carry_out(command: String, remedies: &[Remedy], fleet: &Fleet, services: &Services) -> CommandResult {
    let carried_out = async {
        let [remedy] = remedies else {
            return anyhow::Ok((CommandOutcome::Done, resync_of(remedies).perform(services).await?));
        };
        match decide(remedy, LossRule::Unpaid, fleet).await? {
            Decision::Act(action) => perform(remedy, LossRule::Unpaid, &action, fleet, services).await,
            Decision::Skip(reason) => Ok((CommandOutcome::Skipped, reason)),
        }
    };
    let (outcome, detail) = carried_out.await.unwrap_or_else(|error| (CommandOutcome::Failed, format!("{error:#}")));
    CommandResult { command, outcome, detail }
}

/// Combines the resyncs of several entities with the same owner into one request.
fn resync_of(remedies: &[Remedy]) -> Action {
    let (mut common_owner, mut ids) = (String::new(), Vec::new());
    for remedy in remedies {
        if let Remedy::Resync { owner, id } = remedy {
            common_owner.clone_from(owner);
            ids.push(id.clone());
        }
    }
    Action::Resync { owner: common_owner, ids }
}

async fn decide(remedy: &Remedy, rule: LossRule, fleet: &Fleet) -> Result<Decision> {
    Inspector::new(&fleet.client, rule).await?.decide(remedy).await
}

/// Sends the request that was decided for the remedy. Repeats it for [`RETRY_PERIOD`] after temporary errors, as long
/// as the decision stays the same. Returns the outcome, with what was done or why it is not repeated.
async fn perform(
    remedy: &Remedy,
    rule: LossRule,
    action: &Action,
    fleet: &Fleet,
    services: &Services,
) -> Result<(CommandOutcome, String)> {
    let started = Instant::now();
    loop {
        let error = match action.perform(services).await {
            Ok(detail) => return Ok((CommandOutcome::Done, detail)),
            Err(error) => error,
        };
        if !is_temporary(&error) || started.elapsed() > RETRY_PERIOD {
            return Err(error);
        }
        tokio::time::sleep(RETRY_PAUSE).await;
        match decide(remedy, rule, fleet).await? {
            Decision::Act(now) if now == *action => {}
            Decision::Act(now) => {
                return Err(error.context(format!("not repeated, because something else would be done now: {now}")));
            }
            Decision::Skip(reason) => return Ok((CommandOutcome::Skipped, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resyncs_of_an_owner_are_one_command_and_come_after_raises() {
        let raise = |id: &str| Remedy::Raise { owner: "orders".to_owned(), id: id.to_owned() };
        let resync = |owner: &str, id: &str| Remedy::Resync { owner: owner.to_owned(), id: id.to_owned() };
        let release = Remedy::Release { ticket: "t".to_owned(), order: "o".to_owned() };
        let mut remedies = vec![
            release.clone(),
            resync("orders", "b"),
            resync("auth", "c"),
            raise("e"),
            resync("orders", "a"),
            raise("d"),
        ];
        remedies.sort();
        let commands = in_commands(&remedies);
        let lines: Vec<_> = commands.iter().map(|(command, _)| command.as_str()).collect();
        let expected = [
            "ticketctl raise orders d",
            "ticketctl raise orders e",
            "ticketctl resync auth --ids c",
            "ticketctl resync orders --ids a,b",
            "ticketctl release t o",
        ];
        assert_eq!(lines, expected);
        let Action::Resync { owner, ids } = resync_of(commands[3].1) else { panic!("a resync") };
        assert_eq!((owner.as_str(), ids), ("orders", vec!["a".to_owned(), "b".to_owned()]));
    }
}
