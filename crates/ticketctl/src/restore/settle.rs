//! The steps after the databases are restored: resync of replicas, settlement of payments, audit and clean-up.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use common::api::admin::{FindOrphans, ORPHANS, Orphan, OrphanOutcome, Orphans, RECONCILE, ReconciledPayments, Resync};
use common::clock::{Clock, SystemClock};
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use super::state::{RestoreState, Stage};
use super::{REPLACED, count_with_prefix};
use crate::audit::entity::owners;
use crate::audit::{self, AuditOptions, Sources};
use crate::confirm::ask;
use crate::fleet::Fleet;
use crate::output::{Output, Rejected};
use crate::reports::restore::{RestoreFinished, RestoreSettled};
use crate::services::Services;

/// Maximum time until the payments that were in progress at the time of the backup are decided.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(180);
/// Seconds for which something must stay wrong after the restore: `expiration` has just started to end old holds.
const AUDIT_WAIT: u64 = 90;

/// The options of [`settle`].
pub(crate) struct Settlement {
    /// The point in time of the databases; that of the restore in progress by default.
    pub(crate) since: Option<Timestamp>,
    /// Continue despite payments that could not be queried, refunded or cancelled.
    pub(crate) accept_unresolved: bool,
}

/// Resyncs replicas, reconciles payments with the provider, and refunds or cancels orphaned intents. Payments that
/// can't be queried, refunded or cancelled are an error unless accepted. Asks before anything is changed.
///
/// # Why
/// Run with all services except `expiration`: the holds at the time of the backup have expired by now, and `expiration`
/// would end them before the payments are reconciled.
pub(crate) async fn settle(
    fleet: &Fleet,
    services: &Services,
    Settlement { since, accept_unresolved }: Settlement,
    output: Output,
    yes: bool,
) -> Result<()> {
    let state = RestoreState::find(fleet).await?;
    if let Some(RestoreState { stage: stage @ (Stage::Swapping | Stage::Ending), .. }) = state {
        bail!(Rejected(format!(
            "the restore is {stage}: `restore rollback` while it is swapping, `restore finish` while it is ending"
        )));
    }
    let since = since.or(state.as_ref().map(|state| state.started_at));
    let since = since.context(Rejected("no restore is in progress; set its point in time with --since".to_owned()))?;
    ask(&plan(fleet, services, since).await?, yes)?;
    if let Some(state) = &state {
        state.mark_serving(fleet, SystemClock.now()).await?;
    }
    let mut announced = BTreeMap::new();
    for owner in owners() {
        announced.insert(owner.to_owned(), services.resync(owner, &Resync::everything()).await?);
    }
    reconcile_payments(fleet, services, accept_unresolved).await?;
    let Orphans { orphans } = services.post("payments", ORPHANS, &FindOrphans { since, resolve: true }).await?;
    let failed = count(&orphans, OrphanOutcome::Failed);
    let (settled, is_settled) = (orphans.len() - failed, failed == 0 || accept_unresolved);
    if is_settled && let Some(state) = &state {
        state.set_stage(fleet, Stage::Settled).await?;
    }
    output.print(&RestoreSettled { since, announced, orphans, settled, failed, is_settled })?;
    ensure!(
        is_settled,
        "{failed} could not be refunded or cancelled: run `restore settle` again, or resolve them at Stripe \
         and run `restore settle --accept-unresolved`"
    );
    Ok(())
}

/// Says what a settlement will do, with the present numbers of payments and orphans.
async fn plan(fleet: &Fleet, services: &Services, since: Timestamp) -> Result<String> {
    let undecided = count_undecided(fleet).await?;
    let Orphans { orphans } = services.post("payments", ORPHANS, &FindOrphans { since, resolve: false }).await?;
    Ok(format!(
        "auth, tickets, orders and payments will announce everything, and {undecided} undecided payments will be \
         queried at the payment provider; of those made since {since}, {} charges will be refunded and {} \
         authorisations cancelled",
        count(&orphans, OrphanOutcome::Charged),
        count(&orphans, OrphanOutcome::Open)
    ))
}

fn count(orphans: &[Orphan], outcome: OrphanOutcome) -> usize {
    orphans.iter().filter(|orphan| orphan.outcome == outcome).count()
}

/// Reconciles payments until none is undecided. A payment that was authorised or charged since the backup completes its
/// order.
async fn reconcile_payments(fleet: &Fleet, services: &Services, accept_unresolved: bool) -> Result<()> {
    let started = Instant::now();
    loop {
        let ReconciledPayments { looked_up, failed } =
            services.post("payments", RECONCILE, &serde_json::json!({})).await?;
        let undecided = count_undecided(fleet).await?;
        eprintln!(
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

/// Audits the databases and deletes the replaced collections, after asking. Run with all services.
pub(crate) async fn finish(fleet: &Fleet, services: &Services, yes: bool) -> Result<RestoreFinished> {
    let state = RestoreState::find(fleet).await?;
    if let Some(RestoreState { stage: stage @ (Stage::Swapping | Stage::Loaded), .. }) = state {
        bail!(Rejected(format!(
            "the restore is {stage}: `restore rollback` while it is swapping, `restore settle` once it is loaded"
        )));
    }
    let documents = count_with_prefix(fleet, REPLACED).await?;
    let plan = "expiration will announce everything; if the audit passes then";
    ask(&format!("{plan}, the {documents} documents that the restore has replaced will be deleted"), yes)?;
    let mut audited = None;
    if state.as_ref().is_none_or(|state| state.stage != Stage::Ending) {
        services.resync("expiration", &Resync::everything()).await?;
        let report =
            audit::run(Sources::databases(fleet), &AuditOptions { wait: AUDIT_WAIT, ..AuditOptions::default() })
                .await?;
        if !report.violations.is_empty() {
            return Ok(RestoreFinished { audit: Some(report), restored: None });
        }
        audited = Some(report);
    }
    let mut restored = None;
    if let Some(state) = state {
        state.finalize(fleet).await?;
        restored = Some(state.backup);
    }
    Ok(RestoreFinished { audit: audited, restored })
}
