//! Asks the provider to set the amount aside: for the request that started the payment, and for the
//! reconciler when that request's answer was lost. The same key makes it one authorisation.

use common::error::Error;
use platform::store::Versioned;
use platform::store::error::StoreError;

use super::record_answer::{Recorded, away, record_answer};
use crate::domain::payment::Payment;
use crate::providers::{Authorization, ProviderError};
use crate::state::State;

/// How asking ended.
#[derive(Debug)]
pub enum Asked {
    /// The provider answered; what its answer made of the payment, and what the browser needs.
    Answered(Recorded, Option<String>),
    /// The provider does not know the payment method. The payment is declined.
    UnknownMethod,
}

/// Asks once.
pub async fn authorize_payment(state: &State, payment: &Versioned<Payment>) -> Result<Asked, Error> {
    let request = Authorization {
        payment: payment.id,
        order: payment.order_id,
        amount: payment.amount.clone(),
        method: payment.method.clone(),
        since: payment.created_at,
    };
    match state.provider.authorize(&request).await {
        Ok(intent) => {
            let secret = intent.client_secret.clone();
            Ok(Asked::Answered(record_answer(state, payment, None, intent).await?, secret))
        }
        Err(ProviderError::UnknownMethod) => {
            decline(state, payment, "unknown_payment_method").await?;
            Ok(Asked::UnknownMethod)
        }
        Err(ProviderError::Refused(reason)) => Ok(Asked::Answered(decline(state, payment, &reason).await?, None)),
        Err(error @ ProviderError::Unknown(_)) => Err(away(error)),
    }
}

/// The provider will never do it, and started nothing.
async fn decline(state: &State, payment: &Versioned<Payment>, reason: &str) -> Result<Recorded, Error> {
    let (next, change) = payment.state.clone().decline(reason.to_owned(), None, state.clock.now())?;
    match state.payments.save_forgetting(payment, next, change).await {
        Ok(saved) => Ok(Recorded::Changed(Box::new(saved))),
        Err(StoreError::Stale) => Ok(Recorded::Overtaken),
        Err(error) => Err(error.into()),
    }
}
