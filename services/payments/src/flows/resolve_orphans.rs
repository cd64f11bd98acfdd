//! Finds and resolves orphaned intents: intents at the provider that no payment accounts for. Captured intents are
//! refunded, others are cancelled. An intent is orphaned when a call was executed again after its idempotency key had
//! expired and its payment was final, or when the databases were restored to an earlier moment.
//!
//! # Why
//! The sweep, a periodic comparison of all recent intents, resolves orphaned intents of existing payments. An intent
//! without any payment is resolved only at an operator's request: it may belong to another shop that shares the
//! provider's account.

use std::time::Duration;

use common::aggregate::Versioned;
use common::api::admin::{Orphan, OrphanOutcome};
use common::error::Error;
use common::id::PaymentId;
use common::timestamp::Timestamp;
use futures::future::try_join_all;
use platform::telemetry;

use super::resolve_intent::resolve_intent;
use super::sync_payment::sync_final_payment;
use crate::domain::orphans::{IntentCheck, check_intent};
use crate::domain::payment::Payment;
use crate::providers::ListedIntent;
use crate::state::AppState;

/// How far back the sweep searches: longer than the provider stores an idempotency key.
const SWEEP_PERIOD: Duration = Duration::from_secs(48 * 3600);
/// Maximum number of payments that are read at once.
const BATCH_SIZE: usize = 100;

/// Returns the orphaned intents that were created at or after `since`, and resolves them if `resolve` is true. An
/// intent that can't be resolved is reported as failed and does not block others; another request tries again.
///
/// # Errors
/// Unavailable when the provider does not list the intents.
pub async fn resolve_orphans(state: &AppState, since: Timestamp, resolve: bool) -> Result<Vec<Orphan>, Error> {
    Ok(find_orphans(state, since, |_| resolve).await?.into_iter().map(|(orphan, _)| orphan).collect())
}

/// Compares the provider's intents of the last two days with the payments, and resolves the orphaned intents of
/// existing payments. Returns the number of intents without any payment.
///
/// # Errors
/// Unavailable when the provider does not list the intents.
pub async fn sweep(state: &AppState) -> Result<usize, Error> {
    let since = state.clock.now().minus(SWEEP_PERIOD);
    let orphans = find_orphans(state, since, |has_payment| has_payment).await?;
    for (orphan, _) in orphans.iter().filter(|(_, has_payment)| *has_payment) {
        metrics::counter!("payment_orphans_total", "outcome" => orphan.outcome.as_ref().to_owned()).increment(1);
    }
    Ok(orphans.iter().filter(|(_, has_payment)| !has_payment).count())
}

/// Finds the orphaned intents, each with a flag that tells whether its payment exists, and resolves those for whose
/// flag `should_resolve` returns true.
async fn find_orphans(
    state: &AppState,
    since: Timestamp,
    should_resolve: impl Fn(bool) -> bool,
) -> Result<Vec<(Orphan, bool)>, Error> {
    let mut orphans = Vec::new();
    for (listed, payment) in find_suspects(state, since).await? {
        let has_payment = payment.is_some();
        let ListedIntent { intent, payment: id, amount, currency } = listed;
        let reference = intent.reference;
        let verified = verify(state, payment.as_ref(), &reference, should_resolve(has_payment)).await;
        let outcome = verified.unwrap_or_else(|error| {
            tracing::error!(reference, error = telemetry::causes(&error), "an orphaned intent could not be resolved");
            Some(OrphanOutcome::Failed)
        });
        if let Some(outcome) = outcome {
            tracing::warn!(reference, payment.id = %id, outcome = outcome.as_ref(), "an orphaned intent");
            orphans.push((Orphan { reference, payment: id, amount, currency, outcome }, has_payment));
        }
    }
    Ok(orphans)
}

/// The intents that seem to be orphaned, or whose payment is outdated, each with its payment.
async fn find_suspects(
    state: &AppState,
    since: Timestamp,
) -> Result<Vec<(ListedIntent, Option<Versioned<Payment>>)>, Error> {
    let mut suspects = Vec::new();
    let listed = state.provider.created_since(since).await?;
    for batch in listed.chunks(BATCH_SIZE) {
        let payments = try_join_all(batch.iter().map(|listed| find_payment(state, listed.payment))).await?;
        for (listed, payment) in batch.iter().zip(payments) {
            if check_intent(payment.as_deref(), &listed.intent) != IntentCheck::Consistent {
                suspects.push((listed.clone(), payment));
            }
        }
    }
    Ok(suspects)
}

/// Reads the payment. Its absence is confirmed, because on request an intent without a payment is cancelled or
/// refunded.
async fn find_payment(state: &AppState, id: PaymentId) -> Result<Option<Versioned<Payment>>, Error> {
    // Concurrent calls of `get` share a query.
    match state.payments.get(id).await? {
        Some(payment) => Ok(Some(payment)),
        None => Ok(state.payments.get_confirming_absence(id).await?),
    }
}

/// Checks again whether an intent is orphaned, and resolves it if `resolve` is true. Returns `None` if it is not
/// orphaned.
async fn verify(
    state: &AppState,
    payment: Option<&Versioned<Payment>>,
    reference: &str,
    resolve: bool,
) -> Result<Option<OrphanOutcome>, Error> {
    // The list was read before the payments, so its intents may be outdated: this look-up reads the intent again.
    let intent = state.provider.look_up(reference).await?;
    match check_intent(payment.map(|payment| &payment.state), &intent) {
        IntentCheck::Consistent => Ok(None),
        IntentCheck::PaymentOutdated => {
            if let Some(payment) = payment.filter(|_| resolve) {
                Box::pin(sync_final_payment(state, payment)).await?;
            }
            Ok(None)
        }
        IntentCheck::NeedsCancel if !resolve => Ok(Some(OrphanOutcome::Open)),
        IntentCheck::NeedsRefund if !resolve => Ok(Some(OrphanOutcome::Charged)),
        check => resolve_intent(state, &intent, check).await.map(Some),
    }
}
