//! Picks up payments that rest too long: an answer was lost, a webhook never came, a call failed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::aggregate::Versioned;
use common::api::page::Page;
use common::error::Error;
use futures::{StreamExt, stream};
use platform::lifecycle::{self, Tasks};
use platform::store::page::PageRequest;
use platform::telemetry;

use crate::domain::payment::Payment;
use crate::flows::look_up_payment::look_up_payment;
use crate::state::AppState;
use crate::store;

/// How many payments are read at once.
const PAGE: i64 = 100;
/// How many are looked up at once: the network limits how much we may ask, and who pays comes first.
const CONCURRENCY: usize = 4;

/// How many charges that are to be given back are looked at in a round.
const REFUNDS: i64 = 1_000;
/// After how long one that is not given back is tried in one round of [`SELDOM`] only.
const REFUSED_FOR_LONG: Duration = Duration::from_secs(3_600);
const SELDOM: u32 = 60;

/// Runs until the service ends, on every instance: doing it twice is harmless.
pub async fn run(state: AppState, tasks: Tasks) {
    let pause = state.config.reconcile_after / 2;
    while tasks.sleep_unless_stopping(lifecycle::jittered(pause)).await {
        if let Err(error) = round(&state, &tasks, state.config.reconcile_after).await {
            tracing::warn!(error = telemetry::causes(&error), "payments could not be reconciled");
        }
    }
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// How many payments were looked up.
    pub looked_up: usize,
    /// For how many of them that failed.
    pub failed: usize,
}

/// Looks up every payment that has rested for this long. One that fails, or goes on resting, does not keep the
/// others waiting.
pub async fn round(state: &AppState, tasks: &Tasks, rest: Duration) -> Result<Round, Error> {
    let now = state.clock.now();
    let mut page = PageRequest { limit: PAGE, before: None };
    let (mut looked_up, failed) = (0, AtomicUsize::new(0));
    loop {
        let Page { items, next_cursor } = store::resting(&state.payments, now, rest, &page).await?;
        looked_up += items.len();
        look_up(state, tasks, items.iter().collect(), &failed).await;
        page.before = items.last().filter(|_| next_cursor.is_some()).map(|last| last.id.as_uuid());
        if page.before.is_none() || tasks.stop().is_cancelled() {
            break;
        }
    }
    let refunding = store::refunding(&state.payments, REFUNDS).await?;
    let is_due = |payment: &&Versioned<Payment>| {
        let since = payment.refund.as_ref().map_or(payment.updated_at, |refund| refund.since);
        // What the provider has refused for long it will refuse now: it is asked now and then.
        let is_patient = now.since(since) > REFUSED_FOR_LONG;
        now.since(payment.updated_at) >= rest && (!is_patient || rand::random_ratio(1, SELDOM))
    };
    let refunding: Vec<_> = refunding.iter().filter(is_due).collect();
    looked_up += refunding.len();
    look_up(state, tasks, refunding, &failed).await;
    Ok(Round { looked_up, failed: failed.into_inner() })
}

async fn look_up(state: &AppState, tasks: &Tasks, payments: Vec<&Versioned<Payment>>, failed: &AtomicUsize) {
    stream::iter(payments)
        .for_each_concurrent(CONCURRENCY, async |payment| {
            if tasks.stop().is_cancelled() {
                failed.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if let Err(error) = look_up_payment(state, payment).await {
                failed.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("payment_reconcile_failures_total").increment(1);
                tracing::warn!(payment.id = %payment.id, error = telemetry::causes(&error), "a payment could not be reconciled");
            }
        })
        .await;
}
