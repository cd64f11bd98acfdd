//! The command line. Every option is an environment variable too, which is how a Job is told.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use common::timestamp::Timestamp;

use crate::backup::{self, Backups};
use crate::fleet::Fleet;
use crate::services::Services;
use crate::{audit, restore};

/// Looks after a fleet: backups, restores, and whether the books are right.
#[derive(Debug, Parser)]
#[command(name = "ticketctl", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(subcommand)]
    command: Command,
}

/// Whom to speak to.
#[derive(Debug, Args)]
struct FleetArgs {
    /// MongoDB, as a user that may read and write every database.
    #[arg(
        long,
        global = true,
        env = "MONGODB_URL",
        hide_env_values = true,
        default_value = "mongodb://127.0.0.1:27017"
    )]
    mongodb_url: String,
    /// NATS, as the user `operator`.
    #[arg(long, global = true, env = "NATS_URL", hide_env_values = true, default_value = "nats://127.0.0.1:4222")]
    nats_url: String,
    /// First part of every stream's name.
    #[arg(long, global = true, env = "NATS_PREFIX", default_value = "ticketing")]
    nats_prefix: String,
    /// The fleet's public address. It is stored in each backup, and a backup of another fleet is refused.
    #[arg(long, global = true, env = "PUBLIC_URL", default_value = "http://localhost:8080")]
    public_url: String,
    /// Where a service's admin port is, such as `orders=http://127.0.0.1:9090`, with commas between; for those
    /// that are not named, `http://<service>:9090`.
    #[arg(long, global = true, env = "ADMIN_URLS", value_delimiter = ',')]
    admin_urls: Vec<String>,
    /// The folder that has a folder for each backup.
    #[arg(long, global = true, env = "BACKUP_DIR", default_value = "/backup")]
    backups: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Back all six databases up, as they were at one moment.
    Backup {
        /// Remove backups that are older than so many days, once there is a new one.
        #[arg(long, env = "BACKUP_RETENTION_DAYS")]
        backup_retention_days: Option<u64>,
    },
    /// List the backups, the newest last.
    Backups,
    /// Bring the databases back as they were at a backup; docs/operations.md has the order of the steps.
    #[command(subcommand)]
    Restore(Restore),
    /// Say what does not hold: sold twice, charged without a ticket, a hold that did not end, a wrong copy.
    Audit,
}

#[derive(Debug, Subcommand)]
enum Restore {
    /// Read a backup to its end and say what restoring it would lose. Changes nothing.
    Check(Which),
    /// First, while no service runs: put the backup in the place of what is there, which is kept, and remove the
    /// streams.
    Load(Which),
    /// Second, while all services but expiration run: make copies equal to their owners again, and give back what was
    /// charged or set aside since the backup.
    Settle {
        /// The moment of the databases, where something else than `restore load` brought them back.
        #[arg(long)]
        since: Option<Timestamp>,
        /// Go on without what could not be looked up or given back.
        #[arg(long)]
        accept: bool,
    },
    /// Third, while all services run: audit, and forget what was replaced.
    Finish,
    /// In place of the second or third, while no service runs: bring back what the backup has replaced.
    Back {
        /// Although the restored shop has been open.
        #[arg(long)]
        although_opened: bool,
    },
    /// Say how far the restore got that is not finished: none, swapping, loaded, settled or ending.
    Status,
    /// While no service runs: remove the streams, where something else than `load` brought the databases back.
    Streams,
}

/// Which backup.
#[derive(Debug, Args)]
struct Which {
    /// Its name, as `ticketctl backups` lists it; the newest one unless told.
    #[arg(env = "BACKUP_NAME")]
    name: Option<String>,
}

/// Carries one command out; an error tells the operator what to do.
pub async fn run(cli: Cli) -> Result<()> {
    let args = cli.fleet;
    let services = Services::new(&args.admin_urls)?;
    let backups = Backups::new(args.backups);
    if let Command::Backups = cli.command {
        return backups.list();
    }
    let fleet = Fleet {
        client: Fleet::connect(&args.mongodb_url).await?,
        nats_url: args.nats_url,
        nats_prefix: args.nats_prefix,
        public_url: args.public_url,
    };
    match cli.command {
        Command::Backup { backup_retention_days } => backup::take::take(&fleet, &backups, backup_retention_days).await,
        Command::Backups => Ok(()),
        Command::Restore(Restore::Check(which)) => restore::check(&fleet, &backups, which.name).await,
        Command::Restore(Restore::Load(which)) => restore::load(&fleet, &backups, which.name).await,
        Command::Restore(Restore::Settle { since, accept }) => {
            restore::settle::settle(&fleet, &services, since, accept).await
        }
        Command::Restore(Restore::Finish) => restore::settle::finish(&fleet, &services).await,
        Command::Restore(Restore::Back { although_opened }) => restore::back(&fleet, although_opened).await,
        Command::Restore(Restore::Status) => restore::status(&fleet).await,
        Command::Restore(Restore::Streams) => restore::remove_streams(&fleet).await,
        Command::Audit => audit::run(&fleet.client).await,
    }
}
