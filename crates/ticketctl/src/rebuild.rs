//! `ticketctl rebuild web`: builds a new read model from the owners' snapshots.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use common::api::admin::{EntityStatus, REBUILD, REBUILD_SWAP, RebuildStarted, RebuildStatus, Resync};
use reqwest::Method;

use crate::confirm::ask;
use crate::output::Output;
use crate::reports::ReadModel;
use crate::services::Services;

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
    /// entities that no owner has any more. Asks for confirmation first.
    #[arg(long, conflicts_with = "abandon")]
    swap_now: bool,
    /// Abandon the rebuild in progress and delete its read model. Asks for confirmation first.
    #[arg(long)]
    abandon: bool,
    /// Seconds to wait until the new read model is as complete as the old one.
    #[arg(long, default_value_t = 600)]
    wait: u64,
}

/// Starts or resumes the rebuild, resyncs all owners, and waits until pages read the new read model.
pub(crate) async fn run(args: RebuildArgs, services: &Services, output: Output, yes: bool) -> Result<()> {
    let service = args.service.as_str();
    let live = if args.abandon || args.swap_now {
        let progress: RebuildStatus = services.send(Method::GET, service, REBUILD).await?;
        let (method, path) = if args.abandon { (Method::DELETE, REBUILD) } else { (Method::POST, REBUILD_SWAP) };
        if let Some(generation) = progress.filling {
            ask(&plan(args.abandon, generation, &progress), yes)?;
        }
        services.send::<RebuildStatus>(method, service, path).await?.live
    } else {
        fill(service, services, Duration::from_secs(args.wait)).await?
    };
    output.print(&ReadModel { live, abandoned: args.abandon })
}

/// Fills a new generation (a complete set of the read model's collections) and waits until it is live. Returns the
/// number of the live generation.
async fn fill(service: &str, services: &Services, timeout: Duration) -> Result<i64> {
    let RebuildStarted { filling: generation } = services.send(Method::POST, service, REBUILD).await?;
    eprintln!("generation {generation} is being filled");
    for owner in OWNERS {
        services.resync(owner, &Resync::everything()).await?;
    }
    let deadline = Instant::now() + timeout;
    loop {
        let progress: RebuildStatus = services.send(Method::GET, service, REBUILD).await?;
        if progress.filling != Some(generation) {
            ensure!(progress.live >= generation, "generation {generation} was abandoned meanwhile");
            return Ok(progress.live);
        }
        ensure!(Instant::now() < deadline, "{}", missing_report(generation, &progress));
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Says what happens to the generation under construction, and how complete it is.
fn plan(abandon: bool, generation: i64, progress: &RebuildStatus) -> String {
    let live = progress.live;
    let mut lines = vec![if abandon {
        format!("generation {generation} will be deleted; pages keep reading generation {live}:")
    } else {
        format!("pages will read generation {generation} as it is, and generation {live} will be deleted:")
    }];
    for EntityStatus { entity, live, filled, missing } in &progress.entities {
        let lacks = if missing.is_empty() { String::new() } else { format!("; lacks {}", missing.join(", ")) };
        lines.push(format!("  {entity}: {filled} of {live}{lacks}"));
    }
    lines.join("\n")
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
