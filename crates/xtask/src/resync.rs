//! `cargo xtask resync`: asks a service to announce the present state of what it owns.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use common::api::admin::{RESYNC, Resync, ResyncResult};
use common::timestamp::Timestamp;
use reqwest::Method;
use serde_json::Value;

use crate::running;

/// What is to be announced again; everything unless told.
///
/// Name the owner of what is wrong, not the service where it is wrong: when orders does not know a
/// listing, that is `resync tickets`. All who keep a copy take what is newer than theirs, and what
/// they lack, or have in another state.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ResyncArgs {
    /// The owner: auth (users), tickets, orders, payments or expiration (timers that have fired).
    service: String,
    /// What changed at or after this time: 2026-11-22T10:00:00Z
    #[arg(long, conflicts_with = "ids")]
    since: Option<Timestamp>,
    /// What has one of these ids, with commas between.
    #[arg(long, value_delimiter = ',')]
    ids: Vec<String>,
}

/// Asks on the service's admin port, and prints what was announced.
pub(crate) async fn run(args: ResyncArgs, file: Option<PathBuf>) -> Result<()> {
    let ResyncArgs { service, since, ids } = args;
    let wanted = Resync { all: since.is_none() && ids.is_empty(), since, ids };
    announce(&running::fleet(file)?, &service, &wanted).await
}

/// Has one service announce what is wanted.
pub(crate) async fn announce(fleet: &Value, service: &str, wanted: &Resync) -> Result<()> {
    let ResyncResult { announced } = running::ask(fleet, service, Method::POST, RESYNC, Some(wanted)).await?;
    ensure!(
        !announced.is_empty(),
        "{service} owns nothing that others know of; for the pages' read model: `cargo xtask rebuild web`"
    );
    for (what, count) in announced {
        println!("{count} {what} announced");
    }
    Ok(())
}
