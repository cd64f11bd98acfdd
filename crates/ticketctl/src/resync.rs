//! `ticketctl resync`: has a service announce the present state of the entities that it owns.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use clap::Args;
use common::api::admin::Resync;
use common::timestamp::Timestamp;

use crate::output::Output;
use crate::reports::Resynced;
use crate::services::Services;

/// The services that own published entities.
const OWNERS: [&str; 5] = ["auth", "tickets", "orders", "payments", "expiration"];

/// Selects the entities to announce; all by default.
///
/// Name the owner of the entity, not the service whose replica is incorrect: if orders does not know
/// a listing, run `resync tickets`. A replica stores what it lacks, what is newer, and
/// what differs from its copy of the same version.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ResyncArgs {
    /// The owner: auth (users), tickets, orders, payments or expiration (timers that have fired).
    #[arg(value_parser = parse_owner)]
    service: String,
    /// Entities that changed at or after this time: 2026-11-22T10:00:00Z
    #[arg(long, conflicts_with = "ids")]
    since: Option<Timestamp>,
    /// Entities with these ids, comma-separated.
    #[arg(long, value_delimiter = ',')]
    ids: Vec<String>,
}

fn parse_owner(name: &str) -> Result<String, String> {
    match name {
        owner if OWNERS.contains(&owner) => Ok(owner.to_owned()),
        "web" => Err("web owns no published entities; to repair its read model, run `rebuild web`".to_owned()),
        _ => Err(format!("there is no service called {name} that owns entities; there are {}", OWNERS.join(", "))),
    }
}

pub(crate) async fn run(args: ResyncArgs, services: &Services, output: Output) -> Result<()> {
    let ResyncArgs { service, since, ids } = args;
    let wanted = ids.iter().collect::<BTreeSet<_>>().len() as u64;
    let selection = Resync { all: since.is_none() && ids.is_empty(), since, ids };
    let announced = services.resync(&service, &selection).await?;
    let count: u64 = announced.values().sum();
    output.print(&Resynced { service: service.clone(), announced })?;
    ensure!(wanted <= count, "{service} has announced {count} of the {wanted} entities; check the ids");
    Ok(())
}
