//! The steps after the databases are restored: resync of replicas, settlement of payments, audit and clean-up.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use common::api::admin::{FindOrphans, ORPHANS, Orphan, OrphanOutcome, Orphans, RECONCILE, ReconciledPayments};
use common::clock::{Clock, SystemClock};
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use super::state::{RestoreState, Stage};
use crate::audit;
use crate::audit::data::REPLICATED_ENTITIES;
use crate::fleet::Fleet;
use crate::services::Services;

/// Maximum time until the payments that were in progress at the time of the backup are decided.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(180);

/// Resyncs replicas, reconciles payments with the provider, and refunds or cancels orphaned intents. Payments that
/// can't be queried, refunded or cancelled are an error unless accepted.
///
/// # Why
/// Run with all services except `expiration`: the holds at the time of the backup have expired by now, and `expiration`
/// would end them before the payments are reconciled.
pub(crate) async fn settle(
    fleet: &Fleet,
    services: &Services,
    since: Option<Timestamp>,
    accept_unresolved: bool,
) -> Result<()> {
    let state = RestoreState::find(fleet).await?;
    if let Some(RestoreState { stage: stage @ (Stage::Swapping | Stage::Ending), .. }) = state {
        bail!("the restore is {stage}: `restore rollback` while it is swapping, `restore finish` while it is ending");
    }
    let since = since.or(state.as_ref().map(|state| state.started_at));
    let since = since.context("no restore is in progress; set its point in time with --since")?;
    if let Some(state) = &state {
        state.mark_serving(fleet, SystemClock.now()).await?;
    }
    for (owner, _, _) in REPLICATED_ENTITIES {
        services.resync(owner).await?;
    }
    reconcile_payments(fleet, services, accept_unresolved).await?;
    let Orphans { orphans } = services.post("payments", ORPHANS, &FindOrphans { since, settle: true }).await?;
    for Orphan { reference, payment, amount, currency, outcome } in &orphans {
        println!("{reference}  {}  {amount} {currency}  payment {payment}", outcome.as_ref());
    }
    let failed = orphans.iter().filter(|orphan| orphan.outcome == OrphanOutcome::Failed).count();
    let settled = orphans.len() - failed;
    println!("{settled} charges and authorisations made after the backup were refunded or cancelled");
    ensure!(
        failed == 0 || accept_unresolved,
        "{failed} could not be refunded or cancelled: run `restore settle` again, or resolve them at Stripe \
         and run `restore settle --accept-unresolved`"
    );
    if let Some(state) = &state {
        state.set_stage(fleet, Stage::Settled).await?;
    }
    println!("start expiration, then run `restore finish`");
    Ok(())
}

/// Reconciles payments until none is undecided. A payment that was authorised or charged since the backup completes its
/// order.
async fn reconcile_payments(fleet: &Fleet, services: &Services, accept_unresolved: bool) -> Result<()> {
    let started = Instant::now();
    loop {
        let ReconciledPayments { looked_up, failed } =
            services.post("payments", RECONCILE, &serde_json::json!({})).await?;
        let undecided = count_undecided(fleet).await?;
        println!(
            "{looked_up} payments queried at the payment provider, {failed} queries failed; {undecided} undecided"
        );
        if failed == 0 && undecided == 0 {
            return Ok(());
        }
        if started.elapsed() > RECONCILE_TIMEOUT {
            ensure!(
                accept_unresolved,
                "run `restore settle` again, or `restore settle --accept-unresolved` to continue"
            );
            return Ok(());
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// Number of payments that wait for the payment provider or for their order.
async fn count_undecided(fleet: &Fleet) -> Result<u64> {
    let payments = fleet.client.database("payments").collection::<Document>("payments");
    let live = doc! { "$in": [PaymentStatus::Authorizing.as_ref(), PaymentStatus::Authorized.as_ref()] };
    Ok(payments.count_documents(doc! { "state.status.name": live }).await?)
}

/// Audits the databases and deletes the replaced collections. Run with all services.
pub(crate) async fn finish(fleet: &Fleet, services: &Services) -> Result<()> {
    let state = RestoreState::find(fleet).await?;
    if let Some(RestoreState { stage: stage @ (Stage::Swapping | Stage::Loaded), .. }) = state {
        bail!("the restore is {stage}: `restore rollback` while it is swapping, `restore settle` once it is loaded");
    }
    if state.as_ref().is_none_or(|state| state.stage != Stage::Ending) {
        services.resync("expiration").await?;
        let audited = audit::run(&fleet.client).await;
        audited.context("the replaced collections are kept until the audit of `restore finish` passes")?;
    }
    if let Some(state) = state {
        state.finalize(fleet).await?;
        println!("{} is restored, and the replaced collections are deleted", state.backup);
    }
    Ok(())
}
