//! `cargo xtask rebuild web`: a new read model from nothing, filled by what the owners announce.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use common::api::admin::{EntityProgress, REBUILD, REBUILD_SWAP, RebuildProgress, RebuildStarted, Resync};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{resync, running};

/// The owners of what the read model shows.
const OWNERS: [&str; 4] = ["auth", "tickets", "orders", "payments"];
/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(500);

/// Pages go on reading the old one, which is kept up to date, until the new one knows all that the old
/// one knows. Then they read the new one, and the old one is dropped about a minute later. Asked again,
/// it goes on where it was.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RebuildArgs {
    /// The service that has a read model.
    service: Rebuilt,
    /// Ask no owner and swap now, without what is missing in the new one; if no owner has it.
    #[arg(long, conflicts_with = "abandon")]
    swap_now: bool,
    /// Give up the one that is under way.
    #[arg(long)]
    abandon: bool,
    /// How many seconds to wait until the new one is as complete as the old one.
    #[arg(long, default_value_t = 600)]
    wait: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rebuilt {
    Web,
}

/// Begins it, has the owners announce everything, and waits until pages read it.
pub(crate) async fn run(args: RebuildArgs, file: Option<PathBuf>) -> Result<()> {
    let fleet = running::fleet(file)?;
    let Rebuilt::Web = args.service;
    if args.abandon {
        let _: RebuildProgress = ask(&fleet, Method::DELETE, REBUILD).await?;
        println!("no rebuild is under way");
        return Ok(());
    }
    if args.swap_now {
        let progress: RebuildProgress = ask(&fleet, Method::POST, REBUILD_SWAP).await?;
        println!("pages read generation {}", progress.live);
        return Ok(());
    }
    let RebuildStarted { filling } = ask(&fleet, Method::POST, REBUILD).await?;
    println!("generation {filling} is being filled");
    for owner in OWNERS {
        resync::announce(&fleet, owner, &Resync::everything()).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    loop {
        let progress: RebuildProgress = ask(&fleet, Method::GET, REBUILD).await?;
        if progress.filling != Some(filling) {
            ensure!(progress.live >= filling, "generation {filling} was given up meanwhile");
            println!("pages read generation {}", progress.live);
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{}", lacks(filling, &progress));
        tokio::time::sleep(LOOK).await;
    }
}

async fn ask<A: DeserializeOwned>(fleet: &Value, method: Method, path: &str) -> Result<A> {
    running::ask(fleet, "web", method, path, None::<&()>).await
}

/// What the new one lacks, and what to do about it.
fn lacks(filling: i64, progress: &RebuildProgress) -> String {
    let mut lines = vec![format!("generation {filling} still lacks what the live one has:")];
    for EntityProgress { entity, live, filled, missing } in &progress.entities {
        if !missing.is_empty() {
            lines.push(format!("  {entity}: {filled} of {live}; such as {}", missing.join(", ")));
        }
    }
    lines.push("run it again to have everything announced again; or, if no owner knows these, --swap-now".to_owned());
    lines.join("\n")
}
