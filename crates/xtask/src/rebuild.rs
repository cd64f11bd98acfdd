//! `cargo xtask rebuild web`: builds a new read model from the owners' snapshots.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use common::api::admin::{EntityStatus, REBUILD, REBUILD_SWAP, RebuildStarted, RebuildStatus, Resync};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fleet::{self, call_admin};
use crate::resync;

/// The owners of the entities in the read model.
const OWNERS: [&str; 4] = ["auth", "tickets", "orders", "payments"];
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Until the new read model is as complete as the old one, pages read the old one, which stays up to
/// date. Then pages switch to the new one, and the old one is dropped about a minute later. Running
/// the command again resumes the rebuild.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RebuildArgs {
    /// The service whose read model to rebuild.
    #[arg(value_parser = ["web"])]
    service: String,
    /// Skip the resync and switch now, without the entities that are missing in the new read model; for
    /// entities that no owner has any more.
    #[arg(long, conflicts_with = "abandon")]
    swap_now: bool,
    /// Abandon the rebuild in progress.
    #[arg(long)]
    abandon: bool,
    /// Seconds to wait until the new read model is as complete as the old one.
    #[arg(long, default_value_t = 600)]
    wait: u64,
}

/// Starts or resumes the rebuild, resyncs all owners, and waits until pages read the new read model.
pub(crate) async fn run(args: RebuildArgs, file: Option<PathBuf>) -> Result<()> {
    let fleet = fleet::read(file)?;
    let service = args.service.as_str();
    if args.abandon {
        let _: RebuildStatus = call(&fleet, service, Method::DELETE, REBUILD).await?;
        println!("no rebuild is under way");
        return Ok(());
    }
    if args.swap_now {
        let progress: RebuildStatus = call(&fleet, service, Method::POST, REBUILD_SWAP).await?;
        println!("pages read generation {}", progress.live);
        return Ok(());
    }
    let RebuildStarted { filling: generation } = call(&fleet, service, Method::POST, REBUILD).await?;
    println!("generation {generation} is being filled");
    for owner in OWNERS {
        resync::announce(&fleet, owner, &Resync::everything()).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    loop {
        let progress: RebuildStatus = call(&fleet, service, Method::GET, REBUILD).await?;
        if progress.filling != Some(generation) {
            ensure!(progress.live >= generation, "generation {generation} was abandoned meanwhile");
            println!("pages read generation {}", progress.live);
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{}", missing_report(generation, &progress));
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn call<R: DeserializeOwned>(fleet: &Value, service: &str, method: Method, path: &str) -> Result<R> {
    call_admin(fleet, service, method, path, None::<&()>).await
}

/// Lists the entities that the new generation lacks, with the remedy.
fn missing_report(generation: i64, progress: &RebuildStatus) -> String {
    let mut lines = vec![format!("generation {generation} still lacks entities of the live one:")];
    for EntityStatus { entity, live, filled, missing } in &progress.entities {
        if !missing.is_empty() {
            lines.push(format!("  {entity}: {filled} of {live}; such as {}", missing.join(", ")));
        }
    }
    lines.push("run it again to resync all owners again; or, if no owner has these entities, --swap-now".to_owned());
    lines.join("\n")
}
