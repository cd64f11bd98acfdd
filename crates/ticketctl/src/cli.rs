//! The command line. Options that describe the fleet can also be set by environment variables, so that a Kubernetes Job
//! can be configured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use common::timestamp::Timestamp;

use crate::audit::{self, AuditOptions, Connections, periodic};
use crate::backup::{self, Backups};
use crate::dead_letters::{self, DeadLetters};
use crate::durations::interval;
use crate::fleet::{Fleet, FleetArgs};
use crate::follow::{self, FollowArgs};
use crate::output::{EXIT_CODES, Outcome, Output};
use crate::rebuild::{self, RebuildArgs};
use crate::repair::{self, RaiseArgs, ReleaseArgs, Single, VoidArgs};
use crate::reports::AuditReport;
use crate::restore::{self, settle::Settlement};
use crate::resync::{self, ResyncArgs};
use crate::roles::{self, RoleCommand};
use crate::services::{AdminUrls, Services};

/// Operates a fleet: dead letters, resync, rebuild, backup, restore, consistency audit and repair, the history of an
/// order, roles of the staff.
///
/// The report of a command is printed on stdout, progress and questions on stderr.
#[derive(Debug, Parser)]
#[command(name = "ticketctl", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    fleet: FleetArgs,
    /// URLs of services' admin ports, such as `orders=http://127.0.0.1:9090`, separated by commas; several URLs of one
    /// service, separated by `|`, are tried in order. The default of each service is `http://<service>:9090`.
    #[arg(long, global = true, env = "ADMIN_URLS", value_delimiter = ',', value_parser = AdminUrls::parse)]
    admin_urls: Vec<AdminUrls>,
    /// The directory of the backups, with a subdirectory for each.
    #[arg(long, global = true, env = "BACKUP_DIR", default_value = "/backup")]
    backups: PathBuf,
    /// The form of the report.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Do not ask before data is changed, deleted or replaced.
    #[arg(long, global = true)]
    yes: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Inspect, replay or drop dead letters: messages that no handler could process.
    #[command(subcommand, after_help = EXIT_CODES)]
    DeadLetters(DeadLetters),
    /// Have a service announce the entities that it owns, so that replicas that missed events catch up.
    #[command(after_help = EXIT_CODES)]
    Resync(ResyncArgs),
    /// Rebuild web's read model alongside the live one and switch to it.
    #[command(after_help = EXIT_CODES)]
    Rebuild(RebuildArgs),
    /// Back up all six databases at one point in time.
    #[command(after_help = EXIT_CODES)]
    Backup {
        /// After the backup, delete backups that are older than this number of days. Asks for confirmation first.
        #[arg(long, env = "BACKUP_RETENTION_DAYS")]
        backup_retention_days: Option<u64>,
    },
    /// List the backups, the newest last.
    #[command(after_help = EXIT_CODES)]
    Backups,
    /// Restore the databases from a backup; docs/operations.md has the order of the steps.
    #[command(subcommand, after_help = EXIT_CODES)]
    Restore(Restore),
    /// Report violated invariants of the databases, of the streams if `NATS_URL` is set, and of the payment provider if
    /// `STRIPE_KEY` is set: seats sold twice, charges without a ticket, overdue holds, stale replicas, lost events.
    #[command(after_help = EXIT_CODES)]
    Audit(AuditArgs),
    /// Show one order's way through the services: what is stored of the order, its listing, its payments and its timer,
    /// who lags behind, and, if `NATS_URL` is set, every change with its time and the dead letters. Changes nothing.
    #[command(after_help = EXIT_CODES)]
    Follow(FollowArgs),
    /// Have an owner write an entity again, above the version that its replicas have; asks for confirmation first.
    ///
    /// For databases that were restored to different moments: consumers ignore what an owner publishes until it is
    /// above the version that they have. If two databases have the same newer state of a listing or an order, the owner
    /// takes it over, because it wrote and published that state before. Otherwise it writes its present state again.
    #[command(after_help = EXIT_CODES)]
    Raise(RaiseArgs),
    /// Void or refund a payment whose order is closed or lost; asks for confirmation first.
    ///
    /// The order has to be cancelled, authorised by another payment, or unknown to orders and not restorable by
    /// `raise`.
    #[command(after_help = EXIT_CODES)]
    Void(VoidArgs),
    /// Release the seats of a listing whose order is cancelled or lost; asks for confirmation first.
    ///
    /// The order that the seats are reserved for has to be cancelled, or unknown to orders and not restorable by
    /// `raise`.
    #[command(after_help = EXIT_CODES)]
    Release(ReleaseArgs),
    /// Give, take and list the roles of the staff: support, finance and operator.
    #[command(subcommand, after_help = EXIT_CODES)]
    Role(RoleCommand),
}

#[derive(Debug, Args)]
struct AuditArgs {
    #[command(flatten)]
    options: AuditOptions,
    /// Show the commands that repair the violations, run them after confirmation, and audit again. The commands are
    /// resync, raise, void and release, which can also be run alone.
    #[arg(long, conflicts_with = "every")]
    repair: bool,
    /// Audit at this interval, such as 15m, until SIGTERM, and serve the results as metrics.
    #[arg(long, value_parser = interval)]
    every: Option<Duration>,
    /// The address of `/metrics` and `/healthz` with --every.
    #[arg(long, env = "METRICS_BIND", default_value = "0.0.0.0:9091")]
    metrics_bind: SocketAddr,
}

#[derive(Debug, Subcommand)]
enum Restore {
    /// Verify a backup completely and report what restoring it would lose. Changes nothing.
    Check(BackupSelector),
    /// First step, while no service runs: replace the databases by the backup, keeping the replaced collections, and
    /// delete the streams. Asks for confirmation first.
    Load(BackupSelector),
    /// Second step, while all services except expiration run: make replicas consistent with their owners, and refund or
    /// cancel charges and authorisations made since the backup. Asks for confirmation first.
    Settle {
        /// The point in time of the databases, if they were restored by other means than `restore load`.
        #[arg(long)]
        since: Option<Timestamp>,
        /// Continue despite payments that could not be queried, refunded or cancelled.
        #[arg(long)]
        accept_unresolved: bool,
    },
    /// Third step, while all services run: audit, and delete the replaced collections. Asks for confirmation first.
    Finish,
    /// Instead of the second or third step, while no service runs: restore the replaced collections. Asks for
    /// confirmation first.
    Rollback {
        /// Roll back even if the restored fleet has served requests.
        #[arg(long)]
        force_after_open: bool,
    },
    /// Print the stage of the unfinished restore: none, swapping, loaded, settled or ending.
    Status,
    /// While no service runs: delete the streams, if the databases were restored by other means than `restore load`.
    /// Asks for confirmation first.
    DeleteStreams,
}

#[derive(Debug, Args)]
struct BackupSelector {
    /// The name of the backup, as listed by `ticketctl backups`; the newest by default.
    #[arg(env = "BACKUP_NAME")]
    name: Option<String>,
}

/// Runs a command, and prints its report in the chosen format. The messages of errors tell the operator what to do.
pub async fn run(cli: Cli) -> Result<Outcome> {
    let Cli { fleet, admin_urls, backups, output, yes, command } = cli;
    let services = Services::new(admin_urls)?;
    let backups = Backups(backups);
    match command {
        Command::DeadLetters(command) => dead_letters::run(command, &fleet, output, yes).await?,
        Command::Resync(args) => resync::run(args, &services, output).await?,
        Command::Rebuild(args) => rebuild::run(args, &services, output, yes).await?,
        Command::Backup { backup_retention_days } => {
            let fleet = Fleet::connect(fleet).await?;
            output.print(&backup::take::take(&fleet, &backups, backup_retention_days, yes).await?)?;
        }
        Command::Backups => output.print(&backups.list()?)?,
        Command::Restore(step) => {
            return run_restore(step, &Fleet::connect(fleet).await?, &services, &backups, output, yes).await;
        }
        Command::Raise(args) => repair_one(args.into(), fleet, &services, output, yes).await?,
        Command::Void(args) => repair_one(args.into(), fleet, &services, output, yes).await?,
        Command::Release(args) => repair_one(args.into(), fleet, &services, output, yes).await?,
        Command::Follow(args) => output.print(&follow::follow(&args, &Fleet::connect(fleet).await?).await?)?,
        Command::Role(command) => roles::run(command, &services, output, yes).await?,
        Command::Audit(AuditArgs { options, repair, every, metrics_bind }) => {
            let fleet = Fleet::connect(fleet).await?;
            let connections = Connections::of(&fleet);
            if repair {
                let report = repair::run(&fleet, &services, &options, yes).await?;
                output.print(&report)?;
                return Ok(outcome_of(Some(report.last_audit())));
            }
            if let Some(every) = every {
                periodic::run(connections, &options, every, metrics_bind, output).await?;
                return Ok(Outcome::Done);
            }
            let report = audit::run(connections, &options).await?;
            output.print(&report)?;
            return Ok(outcome_of(Some(&report)));
        }
    }
    Ok(Outcome::Done)
}

/// Runs a single command of a repair.
async fn repair_one(single: Single, fleet: FleetArgs, services: &Services, output: Output, yes: bool) -> Result<()> {
    let fleet = Fleet::connect(fleet).await?;
    output.print(&repair::run_one(single, &fleet, services, yes).await?)
}

async fn run_restore(
    step: Restore,
    fleet: &Fleet,
    services: &Services,
    backups: &Backups,
    output: Output,
    yes: bool,
) -> Result<Outcome> {
    match step {
        Restore::Check(backup) => {
            let (_, _, report) = restore::check(fleet, backups, backup.name).await?;
            output.print(&report)?;
        }
        Restore::Load(backup) => output.print(&restore::load(fleet, backups, backup.name, yes).await?)?,
        Restore::Settle { since, accept_unresolved } => {
            restore::settle::settle(fleet, services, Settlement { since, accept_unresolved }, output, yes).await?;
        }
        Restore::Finish => {
            let report = restore::settle::finish(fleet, services, yes).await?;
            output.print(&report)?;
            return Ok(outcome_of(report.audit.as_ref()));
        }
        Restore::Rollback { force_after_open } => {
            output.print(&restore::roll_back(fleet, force_after_open, yes).await?)?;
        }
        Restore::Status => output.print(&restore::status(fleet).await?)?,
        Restore::DeleteStreams => output.print(&restore::delete_streams(fleet, yes).await?)?,
    }
    Ok(Outcome::Done)
}

fn outcome_of(audit: Option<&AuditReport>) -> Outcome {
    if audit.is_some_and(|report| !report.findings.is_empty()) { Outcome::Violated } else { Outcome::Done }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn help_lists_the_exit_codes() {
        let mut command = Cli::command();
        command.build();
        for help in [command.render_help(), command.find_subcommand_mut("audit").unwrap().render_help()] {
            assert!(help.to_string().contains("4  rejected: nothing was changed"), "{help}");
        }
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for arguments in [
            &["resync", "web"][..],
            &["resync", "nobody"],
            &["dead-letters", "drop"],
            &["audit", "--output", "xml"],
            &["audit", "--every", "0s"],
            &["audit", "--every", "often"],
            &["audit", "--repair", "--every", "15m"],
            &["follow"],
            &["follow", "1"],
            &["raise", "web", "01970000-0000-7000-8000-000000000001"],
            &["void", "1"],
            &["release"],
            &["role", "give", "owner", "ana@example.com"],
            &["role", "take", "support"],
            &["raise", "orders", "01970000-0000-7000-8000-000000000001", "--order-is-lost"],
            &["audit", "--provider-period", "often"],
            &["--admin-urls", "shop=http://127.0.0.1:1", "audit"],
        ] {
            let error = Cli::try_parse_from([&["ticketctl"], arguments].concat()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}: {error}");
        }
    }
}
