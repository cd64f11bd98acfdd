//! Authorises a payment at the provider: for the buyer's request that stored it, or for a worker that later finds it
//! without a result. All calls send the same stored body with the same key, so the card is authorised once.
//!
//! # Why
//! The result of a call is known only after a definite response. Until then the stored body is resent while its key is
//! valid, even if the order is closed meanwhile: the resulting authorisation is voided. Resending does not help when
//! the provider failed, because it replays the failure for the key, or when the key has expired. Then the intent is
//! searched for among those that were created since.

use std::time::Duration;

use common::aggregate::Versioned;
use common::error::Error;
use common::events::payment::PaymentStatus;
use platform::lifecycle::Backoff;
use platform::store::error::StoreError;

use super::record_intent::{RecordOutcome, is_order_cancelled, record_intent};
use super::resolve_intent::resolve_if_orphaned;
use crate::domain::intent::Intent;
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, ProviderAction};
use crate::providers::ProviderError;
use crate::state::AppState;

/// For how long an idempotency key is used. The provider stores it for a day, of which one hour is reserved for clock
/// differences and slow calls.
pub(super) const KEY_TTL: Duration = Duration::from_secs(23 * 3600);
/// For how long after the last use of the key an intent of the payment may still be created.
const LATE_CREATION_MARGIN: Duration = Duration::from_secs(3600);

/// Maximum number of calls within a request; afterwards the reconciler retries.
const MAX_CALLS: u32 = 3;

/// The outcome of an authorisation.
#[derive(Debug)]
pub enum AuthorizeOutcome {
    /// The provider's response or a decline without an intent was recorded. The text is the secret for 3-D Secure.
    Recorded(RecordOutcome, Option<String>),
    /// The provider does not know the payment method. The payment is declined.
    UnknownMethod,
    /// Nothing was sent, because the order was cancelled. Contains the outcome of declining the payment.
    NotSent(RecordOutcome),
}

/// Makes the first calls for a payment, or declines it without a call if its order was cancelled meanwhile. Only for
/// the request that stored the payment, because only that request knows that nothing was sent. A worker that has taken
/// the payment over has changed its version, so the compare-and-swap fails.
///
/// # Errors
/// Unavailable if nothing was sent because the order could not be read, or if the result of the last call is unknown.
pub async fn authorize_unsent(state: &AppState, payment: &Versioned<Payment>) -> Result<AuthorizeOutcome, Error> {
    if is_order_cancelled(state, payment).await? {
        return decline(state, payment, "order_closed").await.map(AuthorizeOutcome::NotSent);
    }
    let mut backoff = Backoff::default();
    loop {
        match authorize_payment(state, payment).await {
            Err(Error::Unavailable(_)) if backoff.failures() + 1 < MAX_CALLS => {
                tokio::time::sleep(backoff.next_delay()).await;
            }
            response => return response,
        }
    }
}

/// Calls the provider for a payment, and records the response.
async fn authorize_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<AuthorizeOutcome, Error> {
    match state.provider.authorize(payment.id, &payment.request).await {
        Ok(intent) => record_response(state, payment, intent).await,
        Err(ProviderError::UnknownMethod) => {
            decline(state, payment, "unknown_payment_method").await?;
            Ok(AuthorizeOutcome::UnknownMethod)
        }
        Err(ProviderError::Permanent(reason)) => {
            Ok(AuthorizeOutcome::Recorded(decline(state, payment, &reason).await?, None))
        }
        Err(ProviderError::Failed(why)) => {
            tracing::warn!(payment.id = %payment.id, why, "the provider failed; searching for the intent");
            find_or_decline(state, payment).await
        }
        Err(error @ ProviderError::Unknown(_)) => Err(error.into()),
    }
}

/// Authorises a payment that has no result yet, for any worker.
pub async fn retry_authorization(state: &AppState, payment: &Versioned<Payment>) -> Result<AuthorizeOutcome, Error> {
    let Some(payment) = take_over(state, payment).await? else {
        return Ok(AuthorizeOutcome::Recorded(RecordOutcome::Overtaken, None));
    };
    if state.clock.now().since(payment.created_at) < KEY_TTL {
        authorize_payment(state, &payment).await
    } else {
        find_or_decline(state, &payment).await
    }
}

/// Marks the payment so that the request which stored it can no longer assume that nothing was sent; `None` when
/// another write was faster.
async fn take_over(state: &AppState, payment: &Versioned<Payment>) -> Result<Option<Versioned<Payment>>, Error> {
    let Ok((next, change)) = payment.state.clone().delay_authorization(state.clock.now()) else {
        // The payment is already marked as delayed.
        return Ok(Some(payment.clone()));
    };
    match state.payments.save(payment, next, change).await {
        Ok(saved) => Ok(Some(saved)),
        Err(StoreError::VersionConflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Searches for the payment's intent, and declines the payment if there is none. A call that has ended can't create an
/// intent any more, so the buyer can try another card at once.
async fn find_or_decline(state: &AppState, payment: &Versioned<Payment>) -> Result<AuthorizeOutcome, Error> {
    let latest = payment.created_at.plus(KEY_TTL + LATE_CREATION_MARGIN);
    match state.provider.find(payment.id, payment.created_at, latest).await? {
        Some(intent) => record_response(state, payment, intent).await,
        None => Ok(AuthorizeOutcome::Recorded(decline(state, payment, "provider_error").await?, None)),
    }
}

/// Records the response, even if another worker took the payment over during the call.
async fn record_response(
    state: &AppState,
    payment: &Versioned<Payment>,
    intent: Intent,
) -> Result<AuthorizeOutcome, Error> {
    let client_secret = intent.client_secret.clone();
    let order = state.orders.get(payment.order_id).await?;
    let action = order.is_some_and(|order| reconcile::is_closed(payment, &order)).then_some(ProviderAction::Void);
    let mut outcome = record_intent(state, payment, action, intent.clone()).await?;
    if matches!(outcome, RecordOutcome::Overtaken)
        && let Some(current) = state.payments.get(payment.id).await?
    {
        if current.status_name() == PaymentStatus::Authorizing {
            outcome = record_intent(state, &current, action, intent).await?;
        } else if current.status_name().is_final() {
            // The payment became final during the call, so its intent may be orphaned. The response may be a replay, so
            // read the intent again.
            let intent = state.provider.look_up(&intent.reference).await?;
            resolve_if_orphaned(state, &current, &intent).await?;
        }
    }
    Ok(AuthorizeOutcome::Recorded(outcome, client_secret))
}

/// Declines a payment for which nothing was created and nothing will be.
async fn decline(state: &AppState, payment: &Versioned<Payment>, reason: &str) -> Result<RecordOutcome, Error> {
    let (next, change) = payment.state.clone().decline(reason.to_owned(), None, state.clock.now())?;
    RecordOutcome::of(state.payments.save(payment, next, change).await)
}
