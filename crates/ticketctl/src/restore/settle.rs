//! What comes after the databases: copies equal their owners, and money that moved since the backup is found.

use std::time::Duration;

use anyhow::{Context, Result};
use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::plan::Plan;
use crate::audit;
use crate::fleet::Fleet;
use crate::services::Services;

/// How long a payment that was under way at the moment of the backup may take to be decided.
const PATIENCE: Duration = Duration::from_secs(180);

/// With all services but expiration, since the holds of that moment are over by now, and would be ended before
/// anybody had found out what was paid.
pub(crate) async fn settle(fleet: &Fleet, services: &Services, since: Option<Timestamp>) -> Result<()> {
    let since = match since {
        Some(since) => since,
        None => Plan::find(fleet).await?.context("no restore is under way; name its moment with --since")?.began,
    };
    for owner in ["auth", "tickets", "orders", "payments"] {
        services.resync(owner).await?;
    }
    // What was charged or authorised since the backup completes its order.
    let answer = services.post("payments", "/reconcile", &json!({})).await?;
    println!(
        "payments looked {} unfinished payments up at the card network, {} of them in vain",
        answer["lookedUp"], answer["failed"]
    );
    let began = Instant::now();
    while let waiting @ 1.. = undecided(fleet).await? {
        if began.elapsed() > PATIENCE {
            // The audit decides whether that is wrong. Nobody is charged for an order that ends meanwhile.
            println!("{waiting} of them are not decided yet; payments goes on asking");
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let wanted = json!({ "since": since, "settle": true });
    let strays = services.post("payments", "/strays", &wanted).await?;
    let strays = strays["strays"].as_array().context("payments told of no strays")?;
    for stray in strays {
        let text = |field: &str| stray[field].as_str().unwrap_or("?").to_owned();
        println!(
            "{}  {}  {} {}  payment {}",
            text("reference"),
            text("outcome"),
            stray["amount"],
            text("currency"),
            text("payment")
        );
    }
    println!("{} charges and authorisations that were made after the backup were given back", strays.len());
    println!("start expiration, then run `restore finish`");
    Ok(())
}

/// How many payments wait for the card network or for their order.
async fn undecided(fleet: &Fleet) -> Result<u64> {
    let payments = fleet.client.database("payments").collection::<Document>("payments");
    let live = doc! { "state.status.name": { "$in": ["authorizing", "authorized"] } };
    Ok(payments.count_documents(live).await?)
}

/// With all services.
pub(crate) async fn finish(fleet: &Fleet, services: &Services) -> Result<()> {
    services.resync("expiration").await?;
    audit::run(&fleet.client).await.context(
        "what was replaced is kept: mend what the audit found and run `restore finish` again, or stop the services and run `restore back`",
    )?;
    if let Some(plan) = Plan::find(fleet).await? {
        plan.end(fleet).await?;
        println!("{} is restored, and what it has replaced is gone", plan.backup);
    }
    Ok(())
}
