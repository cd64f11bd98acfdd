//! Looks a payment up at the provider and catches up: after a webhook, a buyer's refresh, a long rest.

use common::aggregate::Versioned;
use common::error::Error;
use common::id::PaymentId;

use super::authorize_payment::authorize_again;
use super::observe_payment::observe_payment;
use super::reconcile_payment::reconcile_payment;
use super::record_answer::{away, record_answer};
use crate::domain::payment::Payment;
use crate::domain::reconcile;
use crate::state::AppState;

/// Believes only what the provider says now; then does what the payment's order asks for.
pub async fn look_up_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    match (&payment.provider_ref, payment.status_name().is_final()) {
        (_, true) => observe_payment(state, payment).await?,
        (Some(reference), false) => {
            let intent = state.provider.look_up(reference).await.map_err(away)?;
            // What was cancelled may have been cancelled by ourselves, on another instance or before a
            // crash: then it is the order that tells why, and its news was there before the call.
            let order = state.orders.get(payment.order_id).await?;
            let order = order.as_ref().map(|order| &order.state);
            let (now, patience) = (state.clock.now(), state.config.capture_retry_window);
            let call = reconcile::next(&payment.state, order, now, patience);
            record_answer(state, payment, call, intent).await?;
        }
        // Finding nothing would prove nothing while a slow call may still land.
        (None, false) => {
            authorize_again(state, payment).await?;
        }
    }
    reconcile_payment(state, payment.id).await?;
    Ok(())
}

/// The payment as it is now.
pub async fn present(state: &AppState, id: PaymentId) -> Result<Versioned<Payment>, Error> {
    state.payments.get(id).await?.ok_or(Error::NotFound)
}
