//! What comes after the databases: copies equal their owners, and money that moved since the backup is found.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use common::api::admin::{
    FindOrphans, ORPHANS, Orphan, OrphanOutcome, Orphans, RECONCILE, Reconcile, ReconciledPayments,
};
use common::clock::{Clock, SystemClock};
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use super::plan::{Plan, Stage};
use crate::audit;
use crate::audit::books::OWNERS;
use crate::fleet::Fleet;
use crate::services::Services;

/// How long a payment that was under way at the moment of the backup may take to be decided.
const PATIENCE: Duration = Duration::from_secs(180);

/// With all services but expiration, since the holds of that moment are over by now, and would be ended before
/// anybody had found out what was paid. What can't be looked up or given back is an error, unless it is accepted.
pub(crate) async fn settle(fleet: &Fleet, services: &Services, since: Option<Timestamp>, accept: bool) -> Result<()> {
    let plan = Plan::find(fleet).await?;
    if let Some(Plan { stage: stage @ (Stage::Swapping | Stage::Ending), .. }) = plan {
        bail!("the restore is {stage}: `restore back` while it is swapping, `restore finish` while it is ending");
    }
    let began = plan.as_ref().map(|plan| plan.began);
    let since = since.or(began).context("no restore is under way; name its moment with --since")?;
    if let Some(plan) = &plan {
        plan.open(fleet, SystemClock.now()).await?;
    }
    for (owner, _, _) in OWNERS {
        services.resync(owner).await?;
    }
    look_up(fleet, services, accept).await?;
    let Orphans { orphans } = services.post("payments", ORPHANS, &FindOrphans { since, settle: true }).await?;
    for Orphan { reference, payment, amount, currency, outcome } in &orphans {
        println!("{reference}  {}  {amount} {currency}  payment {payment}", outcome.as_ref());
    }
    let failed = orphans.iter().filter(|orphan| orphan.outcome == OrphanOutcome::Failed).count();
    let settled = orphans.len() - failed;
    println!("{settled} charges and authorisations that were made after the backup were given back");
    ensure!(
        failed == 0 || accept,
        "{failed} could not be given back: run `restore settle` again, or give them back at the card network and \
         run `restore settle --accept`"
    );
    if let Some(plan) = &plan {
        plan.reach(fleet, Stage::Settled).await?;
    }
    println!("start expiration, then run `restore finish`");
    Ok(())
}

/// What was charged or authorised since the backup completes its order.
async fn look_up(fleet: &Fleet, services: &Services, accept: bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let ReconciledPayments { looked_up, failed } = services.post("payments", RECONCILE, &Reconcile {}).await?;
        let waiting = undecided(fleet).await?;
        println!(
            "payments looked {looked_up} unfinished payments up at the card network, {failed} of them in vain; \
             {waiting} wait for it"
        );
        if failed == 0 && waiting == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            ensure!(accept, "run `restore settle` again, or `restore settle --accept` to go on without them");
            return Ok(());
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// How many payments wait for the card network or for their order.
async fn undecided(fleet: &Fleet) -> Result<u64> {
    let payments = fleet.client.database("payments").collection::<Document>("payments");
    let live = doc! { "$in": [PaymentStatus::Authorizing.as_ref(), PaymentStatus::Authorized.as_ref()] };
    Ok(payments.count_documents(doc! { "state.status.name": live }).await?)
}

/// With all services.
pub(crate) async fn finish(fleet: &Fleet, services: &Services) -> Result<()> {
    let plan = Plan::find(fleet).await?;
    if let Some(Plan { stage: stage @ (Stage::Swapping | Stage::Loaded), .. }) = plan {
        bail!("the restore is {stage}: `restore back` while it is swapping, `restore settle` once it is loaded");
    }
    if plan.as_ref().is_none_or(|plan| plan.stage != Stage::Ending) {
        services.resync("expiration").await?;
        audit::run(&fleet.client)
            .await
            .context("what was replaced is kept until `restore finish` finds nothing wrong")?;
    }
    if let Some(plan) = plan {
        plan.end(fleet).await?;
        println!("{} is restored, and what it has replaced is gone", plan.backup);
    }
    Ok(())
}
