//! Asks the provider to set the amount aside: for the request that stored the payment, and for whoever finds
//! it later without an answer. The same request under the same key makes it one authorisation.
//!
//! # Why
//! The fate of a call is known when a definite answer came. Until then the stored request is repeated while its
//! key lives, also when the order is closed meanwhile: what comes of it is voided. After a failure of the
//! provider's, which it would repeat under the key, and when the key is older, the intent is looked for among
//! those that were made since.

use std::time::Duration;

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use platform::store::error::StoreError;

use super::record_answer::{Recorded, away, record_answer};
use super::settle_intent::settle_answer;
use crate::domain::intent::Intent;
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, Call};
use crate::providers::{ProviderError, Submission, Window};
use crate::state::AppState;

/// For how long the stored request is repeated: the provider keeps keys for a day, of which an hour is left to
/// clocks that differ and calls that are slow.
pub(super) const KEY_LIVES: Duration = Duration::from_secs(23 * 3600);
/// How much later than that an intent of this payment may have been made.
const LAST_CALL: Duration = Duration::from_secs(3600);

/// How asking ended.
#[derive(Debug)]
pub enum Asked {
    /// The provider answered; what its answer made of the payment, and what the browser needs.
    Answered(Recorded, Option<String>),
    /// The provider does not know the payment method. The payment is declined.
    UnknownMethod,
}

/// Ends a payment whose order was closed between its look at the order and now. Only for the request that stored
/// it, and only before its first call: nobody else knows that nothing was sent, and whoever has taken the payment
/// over has changed its version.
pub async fn decline_unsent(state: &AppState, payment: &Versioned<Payment>) -> Result<Option<Recorded>, Error> {
    let order = state.orders.get(payment.order_id).await?;
    if order.is_none_or(|order| order.status != OrderStatus::Cancelled) {
        return Ok(None);
    }
    decline(state, payment, "order_closed").await.map(Some)
}

/// Asks for the request that stored the payment.
pub async fn authorize_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<Asked, Error> {
    let submission = Submission { payment: payment.id, request: &payment.request };
    match state.provider.authorize(submission).await {
        Ok(intent) => answered(state, payment, intent).await,
        Err(ProviderError::UnknownMethod) => {
            decline(state, payment, "unknown_payment_method").await?;
            Ok(Asked::UnknownMethod)
        }
        Err(ProviderError::Refused(reason)) => Ok(Asked::Answered(decline(state, payment, &reason).await?, None)),
        Err(ProviderError::Failed(why)) => {
            tracing::warn!(payment.id = %payment.id, why, "the provider failed; looking for what it had done");
            find_or_decline(state, payment).await
        }
        Err(error @ ProviderError::Unknown(_)) => Err(away(error)),
    }
}

/// Asks for a payment that was left without an answer.
pub async fn authorize_again(state: &AppState, payment: &Versioned<Payment>) -> Result<Asked, Error> {
    let Some(payment) = taken_over(state, payment).await? else {
        return Ok(Asked::Answered(Recorded::Overtaken, None));
    };
    if state.clock.now().since(payment.created_at) < KEY_LIVES {
        authorize_payment(state, &payment).await
    } else {
        find_or_decline(state, &payment).await
    }
}

/// The payment, marked so that the request which stored it can no longer say that nothing was sent; `None` when
/// somebody was faster.
async fn taken_over(state: &AppState, payment: &Versioned<Payment>) -> Result<Option<Versioned<Payment>>, Error> {
    let Ok((next, change)) = payment.state.clone().delay_authorization(state.clock.now()) else {
        return Ok(Some(payment.clone()));
    };
    match state.payments.save(payment, next, change).await {
        Ok(saved) => Ok(Some(saved)),
        Err(StoreError::Stale) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the provider has of this payment decides. Nothing can still come of a call that has ended, so where there
/// is nothing, another card may be tried at once.
async fn find_or_decline(state: &AppState, payment: &Versioned<Payment>) -> Result<Asked, Error> {
    let made = Window { from: payment.created_at, to: payment.created_at.plus(KEY_LIVES + LAST_CALL) };
    match state.provider.find(payment.id, made).await.map_err(away)? {
        Some(intent) => answered(state, payment, intent).await,
        None => Ok(Asked::Answered(decline(state, payment, "provider_error").await?, None)),
    }
}

/// Writes the answer down, also when the payment was taken over while it was on its way.
async fn answered(state: &AppState, payment: &Versioned<Payment>, intent: Intent) -> Result<Asked, Error> {
    let secret = intent.client_secret.clone();
    let order = state.orders.get(payment.order_id).await?;
    let call = order.is_some_and(|order| reconcile::is_closed(payment, &order)).then_some(Call::Void);
    let recorded = match record_answer(state, payment, call, intent.clone()).await? {
        Recorded::Overtaken => match state.payments.get(payment.id).await? {
            Some(now) if now.status_name() == PaymentStatus::Authorizing => {
                record_answer(state, &now, call, intent).await?
            }
            // Given up meanwhile: what came of the call after all is no longer wanted.
            Some(now) if now.status_name().is_final() => {
                settle_answer(state, &now, &intent.reference).await?;
                Recorded::Overtaken
            }
            _ => Recorded::Overtaken,
        },
        recorded => recorded,
    };
    Ok(Asked::Answered(recorded, secret))
}

/// Nothing was started, and nothing will be.
async fn decline(state: &AppState, payment: &Versioned<Payment>, reason: &str) -> Result<Recorded, Error> {
    let (next, change) = payment.state.clone().decline(reason.to_owned(), None, state.clock.now())?;
    match state.payments.save_and_release_key(payment, next, change).await {
        Ok(saved) => Ok(Recorded::Changed(Box::new(saved))),
        Err(StoreError::Stale) => Ok(Recorded::Overtaken),
        Err(error) => Err(error.into()),
    }
}
