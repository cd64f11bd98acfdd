//! `cargo xtask resync`: asks a service to announce the present state of what it owns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::running;

/// What is to be announced again; everything unless told.
#[derive(Debug, Args)]
pub(crate) struct ResyncArgs {
    /// The service that owns it: auth, tickets, orders, payments or expiration.
    service: String,
    /// What changed at or after this time: 2026-11-22T10:00:00Z
    #[arg(long, conflicts_with = "ids")]
    since: Option<String>,
    /// What has one of these ids, with commas between.
    #[arg(long, value_delimiter = ',')]
    ids: Vec<String>,
}

/// Asks on the service's admin port, and prints what was announced.
pub(crate) async fn run(args: ResyncArgs) -> Result<()> {
    let fleet = running::fleet()?;
    let admin = fleet.pointer(&format!("/services/{}/adminUrl", args.service)).and_then(Value::as_str);
    let admin = admin.with_context(|| format!("there is no service called {}", args.service))?;
    let wanted = match (args.since, args.ids) {
        (Some(since), _) => json!({ "since": since }),
        (None, ids) if !ids.is_empty() => json!({ "ids": ids }),
        _ => json!({ "all": true }),
    };
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(600)).build()?;
    let answer = client.post(format!("{admin}/resync")).json(&wanted).send().await?;
    let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
    ensure!(status.is_success(), "{} refused with {status}: {body}", args.service);
    for (what, count) in body.get("announced").and_then(Value::as_object).into_iter().flatten() {
        println!("{count} {what} announced");
    }
    Ok(())
}
