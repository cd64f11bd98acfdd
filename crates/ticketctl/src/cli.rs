//! The command line. Every option can also be set by an environment variable, so that a Kubernetes Job can be
//! configured.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use common::timestamp::Timestamp;

use crate::backup::{self, Backups};
use crate::fleet::{Fleet, FleetArgs};
use crate::services::Services;
use crate::{audit, restore};

/// Operates a fleet: backup, restore and consistency audit.
#[derive(Debug, Parser)]
#[command(name = "ticketctl", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    fleet: FleetArgs,
    /// URLs of services' admin ports, such as `orders=http://127.0.0.1:9090`, separated by commas. The default of each
    /// service is `http://<service>:9090`.
    #[arg(long, global = true, env = "ADMIN_URLS", value_delimiter = ',')]
    admin_urls: Vec<String>,
    /// The directory of the backups, with a subdirectory for each.
    #[arg(long, global = true, env = "BACKUP_DIR", default_value = "/backup")]
    backups: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Back up all six databases at one point in time.
    Backup {
        /// After the backup, delete backups that are older than this number of days.
        #[arg(long, env = "BACKUP_RETENTION_DAYS")]
        backup_retention_days: Option<u64>,
    },
    /// List the backups, the newest last.
    Backups,
    /// Restore the databases from a backup; docs/operations.md has the order of the steps.
    #[command(subcommand)]
    Restore(Restore),
    /// Report violated invariants: tickets sold twice, charges without a ticket, overdue holds, stale replicas.
    Audit,
}

#[derive(Debug, Subcommand)]
enum Restore {
    /// Verify a backup completely and report what restoring it would lose. Changes nothing.
    Check(BackupSelector),
    /// First step, while no service runs: replace the databases by the backup, keeping the replaced collections, and
    /// delete the streams.
    Load(BackupSelector),
    /// Second step, while all services except expiration run: make replicas consistent with their owners, and refund or
    /// cancel charges and authorisations made since the backup.
    Settle {
        /// The point in time of the databases, if they were restored by other means than `restore load`.
        #[arg(long)]
        since: Option<Timestamp>,
        /// Continue despite payments that could not be queried, refunded or cancelled.
        #[arg(long)]
        accept_unresolved: bool,
    },
    /// Third step, while all services run: audit, and delete the replaced collections.
    Finish,
    /// Instead of the second or third step, while no service runs: restore the replaced collections.
    Rollback {
        /// Roll back even if the restored fleet has served requests.
        #[arg(long)]
        force_after_open: bool,
    },
    /// Print the stage of the unfinished restore: none, swapping, loaded, settled or ending.
    Status,
    /// While no service runs: delete the streams, if the databases were restored by other means than `restore load`.
    DeleteStreams,
}

#[derive(Debug, Args)]
struct BackupSelector {
    /// The name of the backup, as listed by `ticketctl backups`; the newest by default.
    #[arg(env = "BACKUP_NAME")]
    name: Option<String>,
}

/// Runs a command. Errors tell the operator what to do.
pub async fn run(cli: Cli) -> Result<()> {
    let services = Services::new(&cli.admin_urls)?;
    let backups = Backups(cli.backups);
    if let Command::Backups = cli.command {
        return backups.list();
    }
    let fleet = Fleet::connect(cli.fleet).await?;
    match cli.command {
        Command::Backup { backup_retention_days } => backup::take::take(&fleet, &backups, backup_retention_days).await,
        Command::Backups => Ok(()),
        Command::Restore(Restore::Check(backup)) => restore::check(&fleet, &backups, backup.name).await.map(drop),
        Command::Restore(Restore::Load(backup)) => restore::load(&fleet, &backups, backup.name).await,
        Command::Restore(Restore::Settle { since, accept_unresolved }) => {
            restore::settle::settle(&fleet, &services, since, accept_unresolved).await
        }
        Command::Restore(Restore::Finish) => restore::settle::finish(&fleet, &services).await,
        Command::Restore(Restore::Rollback { force_after_open }) => restore::roll_back(&fleet, force_after_open).await,
        Command::Restore(Restore::Status) => restore::status(&fleet).await,
        Command::Restore(Restore::DeleteStreams) => restore::delete_streams(&fleet).await,
        Command::Audit => audit::run(&fleet.client).await,
    }
}
