//! Resumes payments that have not changed for too long, such as after a lost response, a missing webhook or a failed
//! call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::aggregate::Versioned;
use common::api::admin::ReconciledPayments;
use common::api::page::Page;
use common::error::Error;
use futures::{StreamExt, stream};
use platform::context::Context;
use platform::lifecycle::{self, Tasks};
use platform::outbox::turns::Turns;
use platform::store::page::PageRequest;
use platform::telemetry;

use crate::domain::payment::Payment;
use crate::flows::sync_payment::sync_payment;
use crate::state::AppState;
use crate::store;

/// Maximum number of payments that are read at once.
const PAGE_SIZE: i64 = 100;
/// Maximum number of concurrent synchronisations. Low, because the provider limits the rate of calls, and requests of
/// buyers take priority.
const CONCURRENCY: usize = 4;
/// Maximum number of open refunds that one run reads.
const MAX_REFUNDS: i64 = 1_000;
/// A refund whose attempt is older than this will probably fail again, so one run retries it only with a
/// probability of 1 in `OLD_REFUND_ODDS`.
const OLD_REFUND_AGE: Duration = Duration::from_secs(3_600);
const OLD_REFUND_ODDS: u32 = 60;

/// Runs on every instance until the service stops. Only one of them does each round, so that each payment is queried at
/// the provider once.
pub async fn run(state: AppState, context: Context) {
    let (tasks, turns, interval) = (&context.tasks, context.turns(), state.config.reconcile_after / 2);
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        if let Err(error) = run_round(&state, tasks, &turns, interval).await {
            tracing::warn!(error = telemetry::causes(&error), "payments could not be reconciled");
        }
    }
}

async fn run_round(state: &AppState, tasks: &Tasks, turns: &Turns, interval: Duration) -> Result<(), Error> {
    if turns.take_round("reconcile payments", state.clock.now(), interval).await? {
        run_once(state, tasks, state.config.reconcile_after).await?;
    }
    Ok(())
}

/// Synchronises every payment that has not changed for `idle_time`. A payment that fails, or stays unchanged, does not
/// delay the others.
pub async fn run_once(state: &AppState, tasks: &Tasks, idle_time: Duration) -> Result<ReconciledPayments, Error> {
    let now = state.clock.now();
    let mut page = PageRequest { limit: PAGE_SIZE, before: None };
    let (mut looked_up, failed) = (0, AtomicUsize::new(0));
    loop {
        let Page { items, next_cursor } = store::find_idle(&state.payments, now, idle_time, &page).await?;
        looked_up += items.len();
        sync_all(state, tasks, items.iter().collect(), &failed).await;
        page.before = items.last().filter(|_| next_cursor.is_some()).map(|last| last.id.as_uuid());
        if page.before.is_none() || tasks.stop_token().is_cancelled() {
            break;
        }
    }
    let refunding = store::find_open_refunds(&state.payments, MAX_REFUNDS).await?;
    let is_due = |payment: &&Versioned<Payment>| {
        let since = payment.refund.as_ref().map_or(payment.updated_at, |refund| refund.since);
        let is_old = now.since(since) > OLD_REFUND_AGE;
        now.since(payment.updated_at) >= idle_time && (!is_old || rand::random_ratio(1, OLD_REFUND_ODDS))
    };
    let due: Vec<_> = refunding.iter().filter(is_due).collect();
    looked_up += due.len();
    sync_all(state, tasks, due, &failed).await;
    Ok(ReconciledPayments { looked_up, failed: failed.into_inner() })
}

async fn sync_all(state: &AppState, tasks: &Tasks, payments: Vec<&Versioned<Payment>>, failed: &AtomicUsize) {
    stream::iter(payments)
        .for_each_concurrent(CONCURRENCY, async |payment| {
            if tasks.stop_token().is_cancelled() {
                failed.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if let Err(error) = sync_payment(state, payment).await {
                failed.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("payment_reconcile_failures_total").increment(1);
                tracing::warn!(payment.id = %payment.id, error = telemetry::causes(&error), "a payment could not be reconciled");
            }
        })
        .await;
}
