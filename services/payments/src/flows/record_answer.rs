//! Writes down what the provider's answer means, by one compare-and-swap.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use platform::store::error::StoreError;

use super::record_charge::record_charge;
use crate::domain::intent::{Intent, Standing};
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, Call};
use crate::providers::ProviderError;
use crate::state::AppState;
use crate::view;

/// How an answer was taken.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// It told something new: the payment as it now is.
    Changed(Box<Versioned<Payment>>),
    /// It told nothing new.
    Nothing,
    /// Somebody else changed the payment meanwhile: load it and look again.
    Overtaken,
}

/// Writes down where the intent stands. A refused card is cancelled at the provider first.
pub async fn record_answer(
    state: &AppState,
    payment: &Versioned<Payment>,
    call: Option<Call>,
    intent: Intent,
) -> Result<Recorded, Error> {
    let intent = match &intent.standing {
        Standing::Declined { reason } if !payment.status_name().is_final() => {
            let refused = reason.clone();
            let cancelled = state.provider.cancel(&intent.reference).await.map_err(away)?;
            keep_reason(cancelled, refused)
        }
        _ => intent,
    };
    let now = state.clock.now();
    let Some(step) = reconcile::follow(&payment.state, call, &intent, now) else { return Ok(Recorded::Nothing) };
    let (next, change) = step?;
    let first_answer = payment.status_name() == PaymentStatus::Authorizing;
    let saved = match next.status_name() {
        // The request that started it is refused, and may be tried anew with the same key.
        PaymentStatus::Declined if first_answer => state.payments.save_and_release_key(payment, next, change).await,
        PaymentStatus::Authorized if first_answer && is_too_late(state, &next).await? => {
            state.payments.save_and_release_key(payment, next, change).await
        }
        _ if first_answer => {
            let answer = view::payment(&Versioned { version: payment.version + 1, state: next.clone() });
            state.payments.save_answer(payment, next, change, &answer).await
        }
        _ => state.payments.save(payment, next, change).await,
    };
    match saved {
        Ok(saved) => {
            // Captured in the provider's dashboard, perhaps not all of it.
            if let Some(charge) = intent.charge {
                record_charge(state, saved.clone(), &charge).await?;
            }
            Ok(Recorded::Changed(Box::new(saved)))
        }
        Err(StoreError::Stale) => Ok(Recorded::Overtaken),
        Err(error) => Err(error.into()),
    }
}

/// Whether the hold ended while the card was being asked, as far as is known here.
async fn is_too_late(state: &AppState, payment: &Payment) -> Result<bool, Error> {
    let order = state.orders.get(payment.order_id).await?;
    Ok(order.is_some_and(|order| order.status == OrderStatus::Cancelled))
}

fn keep_reason(mut intent: Intent, refused: String) -> Intent {
    if let Standing::Cancelled { reason } = &mut intent.standing {
        reason.get_or_insert(refused);
    }
    intent
}

/// A provider that does not answer is a dependency that is away.
pub fn away(error: ProviderError) -> Error {
    Error::unavailable(error)
}
