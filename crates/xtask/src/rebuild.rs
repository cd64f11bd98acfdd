//! `cargo xtask rebuild web`: a new read model from nothing, filled by what the owners announce.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

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

#[derive(Debug, Deserialize)]
struct Begun {
    filling: i64,
}

/// What web tells of a rebuild.
#[derive(Debug, Deserialize)]
struct Progress {
    live: i64,
    filling: Option<i64>,
    entities: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    entity: String,
    live: u64,
    filled: u64,
    missing: Vec<String>,
}

/// Begins it, has the owners announce everything, and waits until pages read it.
pub(crate) async fn run(args: RebuildArgs, file: Option<PathBuf>) -> Result<()> {
    let fleet = running::fleet(file)?;
    let Rebuilt::Web = args.service;
    if args.abandon {
        let _: Progress = ask(&fleet, Method::DELETE, "/rebuild").await?;
        println!("no rebuild is under way");
        return Ok(());
    }
    if args.swap_now {
        let progress: Progress = ask(&fleet, Method::POST, "/rebuild/swap").await?;
        println!("pages read generation {}", progress.live);
        return Ok(());
    }
    let begun: Begun = ask(&fleet, Method::POST, "/rebuild").await?;
    let filling = begun.filling;
    println!("generation {filling} is being filled");
    for owner in OWNERS {
        resync::announce(&fleet, owner, &json!({ "all": true })).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    loop {
        let progress: Progress = ask(&fleet, Method::GET, "/rebuild").await?;
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
    let answer = running::ask(fleet, "web", method, path, None).await?;
    serde_json::from_value(answer).context("web speaks of rebuilds in another way")
}

/// What the new one lacks, and what to do about it.
fn lacks(filling: i64, progress: &Progress) -> String {
    let mut lines = vec![format!("generation {filling} still lacks what the live one has:")];
    for Kind { entity, live, filled, missing } in &progress.entities {
        if !missing.is_empty() {
            lines.push(format!("  {entity}: {filled} of {live}; such as {}", missing.join(", ")));
        }
    }
    lines.push("run it again to have everything announced again; or, if no owner knows these, --swap-now".to_owned());
    lines.join("\n")
}
