//! Orphans: intents that the card network has and no payment vouches for. A payment that is over was answered twice,
//! since its call outlived its key; or the databases were brought back to an earlier moment. What was charged is
//! given back, what was set aside is cancelled.
//!
//! # Why
//! Orphans of payments that are known are settled by the sweep. An intent without any payment is settled only when an
//! operator asks: it may be another shop's that shares the account.

use std::time::Duration;

use common::aggregate::Versioned;
use common::api::admin::{Orphan, OrphanOutcome};
use common::error::Error;
use common::timestamp::Timestamp;
use futures::future::try_join_all;
use platform::telemetry;

use super::observe_payment::observe_payment;
use super::record_answer::away;
use super::settle_intent::settle_one;
use crate::domain::orphans::{Verdict, verdict};
use crate::domain::payment::Payment;
use crate::providers::ListedIntent;
use crate::state::AppState;

/// How far back the sweep looks: longer than the provider keeps a key.
const SWEPT: Duration = Duration::from_secs(48 * 3600);
/// How many payments are read at once.
const BATCH: usize = 100;

/// Those that were made since this time; settled, if that is wanted. One that can't be settled keeps no other
/// waiting: it is told as failed, and tried again by whoever asks again.
///
/// # Errors
/// Unavailable when the card network does not list them.
pub async fn settle_orphans(state: &AppState, since: Timestamp, settle: bool) -> Result<Vec<Orphan>, Error> {
    let mut orphans = Vec::new();
    for (made, payment) in suspicious(state, since).await? {
        let outcome = check(state, payment.as_ref(), &made, settle).await;
        orphans.extend(outcome.map(|outcome| orphan(made, outcome)));
    }
    Ok(orphans)
}

/// Compares the provider's intents of the last two days with the payments, and settles what it finds. Returns how many
/// there are of which there is no payment at all.
///
/// # Errors
/// Unavailable when the card network does not list them.
pub async fn sweep(state: &AppState) -> Result<usize, Error> {
    let mut unknown = 0;
    for (made, payment) in suspicious(state, state.clock.now().minus(SWEPT)).await? {
        let Some(outcome) = check(state, payment.as_ref(), &made, payment.is_some()).await else { continue };
        if payment.is_none() {
            unknown += 1;
        } else {
            metrics::counter!("payment_orphans_total", "outcome" => outcome.as_ref().to_owned()).increment(1);
        }
        orphan(made, outcome);
    }
    Ok(unknown)
}

fn orphan(made: ListedIntent, outcome: OrphanOutcome) -> Orphan {
    let ListedIntent { reference, payment, amount, currency, .. } = made;
    let name = outcome.as_ref();
    tracing::warn!(reference, payment.id = %payment, outcome = name, "an intent that no payment vouches for");
    Orphan { reference, payment, amount, currency, outcome }
}

/// The intents with which something seems to be wrong, each with its payment.
async fn suspicious(
    state: &AppState,
    since: Timestamp,
) -> Result<Vec<(ListedIntent, Option<Versioned<Payment>>)>, Error> {
    let mut found = Vec::new();
    let made = state.provider.created_since(since).await.map_err(away)?;
    for batch in made.chunks(BATCH) {
        let payments = try_join_all(batch.iter().map(|made| state.payments.get(made.payment))).await?;
        for (made, payment) in batch.iter().zip(payments) {
            let known = payment.as_ref().map(|payment| &payment.state);
            if verdict(known, &made.reference, &made.standing, made.charge.as_ref()) != Verdict::InOrder {
                found.push((made.clone(), payment));
            }
        }
    }
    Ok(found)
}

/// What is to be told of an intent; `None` when there is nothing wrong with it. The list is older than its payment, so
/// the intent is looked up again.
async fn check(
    state: &AppState,
    payment: Option<&Versioned<Payment>>,
    made: &ListedIntent,
    settle: bool,
) -> Option<OrphanOutcome> {
    match recheck(state, payment, made, settle).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(
                reference = made.reference,
                error = telemetry::causes(&error),
                "an intent could not be settled"
            );
            Some(OrphanOutcome::Failed)
        }
    }
}

async fn recheck(
    state: &AppState,
    payment: Option<&Versioned<Payment>>,
    made: &ListedIntent,
    settle: bool,
) -> Result<Option<OrphanOutcome>, Error> {
    let intent = state.provider.look_up(&made.reference).await.map_err(away)?;
    let known = payment.map(|payment| &payment.state);
    match verdict(known, &intent.reference, &intent.standing, intent.charge.as_ref()) {
        Verdict::InOrder => Ok(None),
        Verdict::Changed => {
            if let Some(payment) = payment {
                Box::pin(observe_payment(state, payment)).await?;
            }
            Ok(None)
        }
        Verdict::Open if !settle => Ok(Some(OrphanOutcome::Open)),
        Verdict::Charged if !settle => Ok(Some(OrphanOutcome::Charged)),
        wrong => settle_one(state, &intent, wrong).await.map(Some),
    }
}
