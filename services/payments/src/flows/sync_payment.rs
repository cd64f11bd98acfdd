//! Synchronises a payment with the provider: after a webhook, at its buyer's request, or when it has not changed for
//! long.

use common::aggregate::Versioned;
use common::error::Error;
use common::id::PaymentId;
use platform::reconcile::Own;

use super::authorize_payment::retry_authorization;
use super::reconcile_payment::reconcile_payment;
use super::record_intent::{record_charge, record_intent};
use super::resolve_intent::resolve_if_orphaned;
use crate::domain::payment::Payment;
use crate::domain::reconcile;
use crate::state::AppState;

/// Records the intent's present status, then takes the action that the payment's order requires.
pub async fn sync_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    match (&payment.provider_ref, payment.status_name().is_final()) {
        (_, true) => sync_final_payment(state, payment).await?,
        (Some(reference), false) => {
            let intent = state.provider.look_up(reference).await?;
            // This service may have cancelled the intent itself, on another instance or before a crash. Then the order
            // shows why, because its event was stored before that call.
            let order = state.orders.get(payment.order_id).await?;
            let order = order.as_ref().map(|order| &order.state);
            let (now, retry_window) = (state.clock.now(), state.config.capture_retry_window);
            let action = reconcile::next_action(payment, order, now, retry_window);
            record_intent(state, payment, action, intent).await?;
        }
        // No intent is known, so the authorisation is repeated under its idempotency key. Searching would not do: a slow
        // call may still create the intent.
        (None, false) => {
            retry_authorization(state, payment).await?;
        }
    }
    reconcile_payment(state, payment.id, Own::Unknown, None).await?;
    Ok(())
}

/// Settles the intent of a final payment if it is orphaned. Otherwise records a refund, a dispute or a partial capture
/// that happened at the provider, so that the ledger never contradicts the provider unnoticed.
///
/// The payment is read before the provider is called: if another worker records newer data meanwhile, the
/// compare-and-swap fails.
pub async fn sync_final_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    let Some(reference) = &payment.provider_ref else { return Ok(()) };
    let intent = state.provider.look_up(reference).await?;
    if !resolve_if_orphaned(state, payment, &intent).await?
        && let Some(charge) = intent.charge
    {
        record_charge(state, payment.clone(), &charge).await?;
    }
    Ok(())
}

/// Like [`sync_payment`], for a change that the platform made.
pub async fn sync_changed(state: AppState, id: PaymentId) -> Result<(), Error> {
    let payment = reload(&state, id).await?;
    Box::pin(sync_payment(&state, &payment)).await
}

/// Reads the payment again.
pub async fn reload(state: &AppState, id: PaymentId) -> Result<Versioned<Payment>, Error> {
    state.payments.get(id).await?.ok_or(Error::NotFound)
}
