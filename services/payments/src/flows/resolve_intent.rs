//! Resolves one orphaned intent; see [`resolve_orphans`](super::resolve_orphans).

use common::api::admin::OrphanOutcome;
use common::error::Error;

use crate::domain::intent::{Intent, IntentStatus};
use crate::domain::orphans::{IntentCheck, check_intent};
use crate::domain::payment::Payment;
use crate::state::AppState;

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// Resolves the intent of a final payment if the payment does not account for it. Returns whether it was resolved.
pub(super) async fn resolve_if_orphaned(state: &AppState, payment: &Payment, intent: &Intent) -> Result<bool, Error> {
    let check = check_intent(Some(payment), intent);
    if matches!(check, IntentCheck::Consistent | IntentCheck::PaymentOutdated) {
        return Ok(false);
    }
    let outcome = resolve_intent(state, intent, check).await?;
    metrics::counter!("payment_orphans_total", "outcome" => outcome.as_ref().to_owned()).increment(1);
    let (reference, outcome) = (&intent.reference, outcome.as_ref());
    tracing::warn!(reference, payment.id = %payment.id, outcome, "an orphaned intent of a final payment");
    Ok(true)
}

/// Refunds or cancels an orphaned intent, as `check` requires. Returns what was done.
pub(super) async fn resolve_intent(
    state: &AppState,
    intent: &Intent,
    check: IntentCheck,
) -> Result<OrphanOutcome, Error> {
    if check == IntentCheck::NeedsRefund {
        // The provider stores a failure under the key for a day. A refund under another key is harmless: it covers only
        // what has not been refunded yet.
        let day = state.clock.now().as_seconds() / SECONDS_PER_DAY;
        let key = format!("orphan:{}:{day}", intent.reference);
        state.provider.refund(&intent.reference, &key).await?;
        return Ok(OrphanOutcome::Refunded);
    }
    match state.provider.cancel(&intent.reference).await?.status {
        IntentStatus::Cancelled { .. } => Ok(OrphanOutcome::Cancelled),
        // The intent was captured in the meantime, or is being processed; the next attempt sees the result.
        _ => Err(Error::Unavailable(None)),
    }
}
