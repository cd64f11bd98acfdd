//! Settles one intent that no payment vouches for: what was charged is given back, what was set aside is cancelled.

use common::api::admin::OrphanOutcome;
use common::error::Error;

use super::record_answer::away;
use crate::domain::intent::{Intent, Standing};
use crate::domain::orphans::{Verdict, verdict};
use crate::domain::payment::Payment;
use crate::state::AppState;

/// Whether an intent agreed with its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// It does.
    InOrder,
    /// It did not, and was settled.
    Settled,
}

/// Settles the intent that an answer told of, when it came after its payment was over. The answer may be an old one
/// that was repeated, so the intent is looked up first.
pub(super) async fn settle_answer(state: &AppState, payment: &Payment, reference: &str) -> Result<(), Error> {
    let intent = state.provider.look_up(reference).await.map_err(away)?;
    settle_known(state, payment, &intent).await?;
    Ok(())
}

/// Settles the intent of a payment that is over, if it moves money that the payment does not know of.
pub(super) async fn settle_known(state: &AppState, payment: &Payment, intent: &Intent) -> Result<Checked, Error> {
    let found = verdict(Some(payment), &intent.reference, &intent.standing, intent.charge.as_ref());
    if matches!(found, Verdict::InOrder | Verdict::Changed) {
        return Ok(Checked::InOrder);
    }
    let outcome = settle_one(state, intent, found).await?;
    metrics::counter!("payment_orphans_total", "outcome" => outcome.as_ref().to_owned()).increment(1);
    let (reference, outcome) = (&intent.reference, outcome.as_ref());
    tracing::warn!(reference, payment.id = %payment.id, outcome, "an intent under a payment that is over");
    Ok(Checked::Settled)
}

/// Gives back or cancels, as the verdict asks for. Returns what was done.
pub(super) async fn settle_one(state: &AppState, intent: &Intent, found: Verdict) -> Result<OrphanOutcome, Error> {
    if found == Verdict::Charged {
        let key = format!("orphan:{}", intent.reference);
        state.provider.refund(&intent.reference, &key).await.map_err(away)?;
        return Ok(OrphanOutcome::Refunded);
    }
    match state.provider.cancel(&intent.reference).await.map_err(away)?.standing {
        Standing::Cancelled { .. } => Ok(OrphanOutcome::Cancelled),
        // It was charged a moment ago, or is being: the next call finds that.
        _ => Err(Error::Unavailable(None)),
    }
}
