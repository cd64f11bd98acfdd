//! Gives a charge back whose order is closed: all of it, once.

use common::aggregate::Versioned;
use common::error::Error;
use platform::store::error::StoreError;

use super::authorize_payment::KEY_LIVES;
use super::record_answer::{Recorded, away};
use super::record_charge::record_charge;
use crate::domain::payment::Payment;
use crate::providers::ProviderError;
use crate::state::AppState;

/// One step: stores the attempt that is the key, or asks the provider under it and writes down what it then says of
/// the charge.
///
/// # Errors
/// Unavailable while the charge is not given back: try again.
pub async fn give_back(state: &AppState, payment: &Versioned<Payment>, reference: &str) -> Result<Recorded, Error> {
    let now = state.clock.now();
    let Some(refund) = payment.refund.as_ref().filter(|refund| now.since(refund.since) < KEY_LIVES) else {
        return start(state, payment).await;
    };
    let key = format!("{}:refund:{}", payment.id, refund.attempt);
    let asked = state.provider.refund(reference, &key).await;
    // Whatever the answer was, also that nothing is left to be given back: the charge tells.
    if let Some(charge) = state.provider.look_up(reference).await.map_err(away)?.charge
        && charge.kept < payment.amount.amount - payment.refunded_amount()
    {
        record_charge(state, payment.clone(), &charge).await?;
        return Ok(Recorded::Overtaken);
    }
    match asked {
        Ok(()) => Err(Error::Unavailable(None)),
        Err(error @ ProviderError::Failed(_)) => {
            // Under the same key it would only be told the same.
            start(state, payment).await?;
            Err(away(error))
        }
        Err(error) => Err(away(error)),
    }
}

async fn start(state: &AppState, payment: &Versioned<Payment>) -> Result<Recorded, Error> {
    let (next, change) = payment.state.clone().start_refund(state.clock.now())?;
    match state.payments.save(payment, next, change).await {
        Ok(saved) => Ok(Recorded::Changed(Box::new(saved))),
        Err(StoreError::Stale) => Ok(Recorded::Overtaken),
        Err(error) => Err(error.into()),
    }
}
