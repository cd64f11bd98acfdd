//! Synchronises a payment with the provider: after a webhook, at its buyer's request, or when it has not changed for
//! long.

use common::aggregate::Versioned;
use common::error::Error;
use common::id::PaymentId;
use platform::reconcile::Current;

use super::authorize_payment::retry_authorization;
use super::reconcile_payment::reconcile_payment;
use super::record_intent::{RecordOutcome, record_charge, record_intent};
use super::resolve_intent::resolve_if_orphaned;
use crate::domain::payment::Payment;
use crate::domain::reconcile;
use crate::state::AppState;

/// Records the intent's present status, then takes the action that the payment's order requires.
///
/// Recording may read the payment and its order. Unless it changes the payment, the action uses these reads instead of
/// reading the same again. If another worker has changed the payment meanwhile, that worker compares it with its order.
pub async fn sync_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    let (known, seen) = match (&payment.provider_ref, payment.status_name().is_final()) {
        (_, true) => (sync_final_payment(state, payment).await?, None),
        (Some(reference), false) => {
            let intent = state.provider.look_up(reference).await?;
            // This service may have cancelled the intent itself, on another instance or before a crash. Then the order
            // shows why, because its event was stored before that call.
            let order = state.orders.get(payment.order_id).await?;
            let (now, retry_window) = (state.clock.now(), state.config.capture_retry_window);
            let action = reconcile::next_action(payment, order.as_ref().map(|order| &order.state), now, retry_window);
            match record_intent(state, payment, action, intent).await? {
                RecordOutcome::Updated(newest) => (Current::from(*newest), None),
                RecordOutcome::Unchanged => (Current::from(payment.clone()), order),
                RecordOutcome::Overtaken => (Current::Unread, None),
            }
        }
        // No intent is known, so repeat the authorisation under its idempotency key. Searching is not enough: a slow
        // call may still create the intent.
        (None, false) => {
            retry_authorization(state, payment).await?;
            (Current::Unread, None)
        }
    };
    reconcile_payment(state, payment.id, known, seen).await?;
    Ok(())
}

/// Resolves the intent of a final payment if it is orphaned. Otherwise records a refund, a dispute or a partial capture
/// that happened at the provider, so that the ledger agrees with the provider. Returns the payment, if it is known
/// after that.
///
/// The payment is read before the provider is called: if another worker records newer data meanwhile, the
/// compare-and-swap fails.
pub async fn sync_final_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<Current<Payment>, Error> {
    let unchanged = || Ok(Current::from(payment.clone()));
    let Some(reference) = &payment.provider_ref else { return unchanged() };
    let intent = state.provider.look_up(reference).await?;
    if resolve_if_orphaned(state, payment, &intent).await? {
        return unchanged();
    }
    let Some(charge) = intent.charge else { return unchanged() };
    Ok(match record_charge(state, payment.clone(), &charge).await? {
        RecordOutcome::Updated(newest) => Current::from(*newest),
        RecordOutcome::Unchanged | RecordOutcome::Overtaken => Current::Unread,
    })
}

/// Like [`sync_payment`], after the platform has written the payment again at a higher version (a raise).
pub async fn sync_changed(state: AppState, id: PaymentId) -> Result<(), Error> {
    let payment = reload(&state, id).await?;
    Box::pin(sync_payment(&state, &payment)).await
}

/// Reads the payment again.
pub async fn reload(state: &AppState, id: PaymentId) -> Result<Versioned<Payment>, Error> {
    state.payments.get(id).await?.ok_or(Error::NotFound)
}
