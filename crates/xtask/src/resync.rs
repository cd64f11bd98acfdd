//! `cargo xtask resync`: has a service announce the present state of the entities that it owns.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use common::api::admin::{RESYNC, Resync, ResyncResult};
use common::timestamp::Timestamp;
use reqwest::Method;
use serde_json::Value;

use crate::fleet::{self, call_admin};

/// Selects the entities to announce; all by default.
///
/// Name the owner of the entity, not the service whose replica is incorrect: if orders does not know
/// a listing, run `resync tickets`. A replica stores what it lacks, what is newer, and
/// what differs from its copy of the same version.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ResyncArgs {
    /// The owner: auth (users), tickets, orders, payments or expiration (timers that have fired).
    service: String,
    /// Entities that changed at or after this time: 2026-11-22T10:00:00Z
    #[arg(long, conflicts_with = "ids")]
    since: Option<Timestamp>,
    /// Entities with these ids, comma-separated.
    #[arg(long, value_delimiter = ',')]
    ids: Vec<String>,
}

pub(crate) async fn run(args: ResyncArgs, file: Option<PathBuf>) -> Result<()> {
    let ResyncArgs { service, since, ids } = args;
    let selection = Resync { all: since.is_none() && ids.is_empty(), since, ids };
    announce(&fleet::read(file)?, &service, &selection).await
}

/// Has one service announce the selected entities.
pub(crate) async fn announce(fleet: &Value, service: &str, selection: &Resync) -> Result<()> {
    let ResyncResult { announced } = call_admin(fleet, service, Method::POST, RESYNC, Some(selection)).await?;
    ensure!(
        !announced.is_empty(),
        "{service} owns no published entities; to repair web's read model, run `cargo xtask rebuild web`"
    );
    for (entity, count) in announced {
        println!("{count} {entity} announced");
    }
    Ok(())
}
