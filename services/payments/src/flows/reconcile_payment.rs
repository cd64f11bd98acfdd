//! Reconciles a payment with its order: captures it if it authorised the order, and voids or refunds it if the order is
//! closed for it.

use std::time::Duration;

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::PaymentId;
use platform::reconcile::{Current, Progress, Reconcile, advance, until_unchanged};
use platform::telemetry;

use super::authorize_payment::KEY_TTL;
use super::record_intent::{RecordOutcome, record_charge, record_intent};
use crate::domain::intent::IntentStatus;
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, ProviderAction};
use crate::providers::ProviderError;
use crate::state::AppState;

/// How long the first attempt to refund lasts before a rejection starts a new one: the provider may reject what it
/// later accepts, such as a refund that its balance does not cover, but replays the rejection for the key.
const REJECTED_REFUND_PAUSE: Duration = Duration::from_secs(600);

/// Takes provider actions until the payment agrees with its order. Returns the payment, if it exists.
///
/// `known` is the payment, and `seen` the replica of its order, as the caller has just read or written them. The first
/// iteration does not read them again.
///
/// An open refund is not an error. It may take days, such as when the provider's balance is empty. Once the attempt is
/// stored the reconciler retries it, so the caller is not blocked.
///
/// # Errors
/// Unavailable when the provider did not take the action or did not respond: retry.
pub async fn reconcile_payment(
    state: &AppState,
    id: PaymentId,
    known: Current<Payment>,
    seen: Option<Versioned<OrderState>>,
) -> Result<Option<Versioned<Payment>>, Error> {
    run(&ReconcilePayment { state, id, order_is_lost: false }, known, seen).await
}

/// Voids or refunds a payment whose order `orders` has lost, whatever the replica of the order says. Returns the
/// payment, if it exists.
///
/// # Errors
/// Those of [`reconcile_payment`].
pub async fn close_payment(state: &AppState, id: PaymentId) -> Result<Option<Versioned<Payment>>, Error> {
    run(&ReconcilePayment { state, id, order_is_lost: true }, Current::Unread, None).await
}

async fn run(
    reconciler: &ReconcilePayment<'_>,
    known: Current<Payment>,
    seen: Option<Versioned<OrderState>>,
) -> Result<Option<Versioned<Payment>>, Error> {
    let ReconcilePayment { state, id, .. } = *reconciler;
    let error = match until_unchanged(reconciler, known, seen).await {
        Ok(payment) => return Ok(payment),
        Err(error) => error,
    };
    let payment = state.payments.get(id).await?;
    if payment.as_ref().is_some_and(|payment| payment.has_open_refund()) {
        metrics::counter!("payment_refund_failures_total").increment(1);
        tracing::warn!(payment.id = %id, error = telemetry::causes(&error), "a charge is not refunded yet; the refund will be retried");
        return Ok(payment);
    }
    Err(error)
}

struct ReconcilePayment<'a> {
    state: &'a AppState,
    id: PaymentId,
    /// Whether `orders` has lost the payment's order, so that it is closed whatever the replica says.
    order_is_lost: bool,
}

impl Reconcile for ReconcilePayment<'_> {
    type Aggregate = Payment;
    type Seen = Option<Versioned<OrderState>>;
    type Replicas = Option<Versioned<OrderState>>;

    async fn load_aggregate(&self) -> Result<Option<Versioned<Payment>>, Error> {
        Ok(self.state.payments.get(self.id).await?)
    }

    async fn load_replicas(
        &self,
        payment: Option<&Versioned<Payment>>,
        seen: Self::Seen,
    ) -> Result<Self::Replicas, Error> {
        match payment.filter(|payment| reconcile::may_need_action(payment)) {
            Some(payment) if seen.is_none() => Ok(self.state.orders.get(payment.order_id).await?),
            _ => Ok(seen),
        }
    }

    async fn step(
        &self,
        payment: Option<&Versioned<Payment>>,
        order: &Self::Replicas,
    ) -> Result<Progress<Payment>, Error> {
        let Some(payment) = payment else { return Ok(Progress::Unchanged) };
        let (now, retry_window) = (self.state.clock.now(), self.state.config.capture_retry_window);
        let order = order.as_ref().map(|order| &order.state);
        let action = if self.order_is_lost {
            reconcile::closing_action(payment)
        } else {
            reconcile::next_action(payment, order, now, retry_window)
        };
        let Some(action) = action else { return Ok(Progress::Unchanged) };
        let error = match self.execute(payment, action).await {
            Ok(RecordOutcome::Updated(newest)) => return Ok(Progress::Saved(*newest)),
            Ok(RecordOutcome::Overtaken) => return Ok(Progress::Lost),
            Ok(RecordOutcome::Unchanged) => {
                tracing::warn!(payment.id = %self.id, ?action, "the provider has not taken the action yet");
                Error::Unavailable(None)
            }
            Err(error) => error,
        };
        if matches!(action, ProviderAction::Capture | ProviderAction::CaptureOrCancel)
            && let Some(transition) = reconcile::apply_failed_capture(payment, self.state.clock.now())
        {
            advance(&self.state.payments, payment, transition?).await?;
        }
        Err(error)
    }
}

impl ReconcilePayment<'_> {
    async fn execute(&self, payment: &Versioned<Payment>, action: ProviderAction) -> Result<RecordOutcome, Error> {
        let Some(reference) = &payment.provider_ref else {
            return Err(Error::internal_message("a payment that needs an action has no intent"));
        };
        let provider = &self.state.provider;
        let intent = match action {
            ProviderAction::Capture => provider.capture(reference, payment.amount.amount).await,
            // The provider may just have recovered.
            ProviderAction::CaptureOrCancel => match provider.capture(reference, payment.amount.amount).await {
                Ok(intent) if intent.status == IntentStatus::Captured => Ok(intent),
                _ => provider.cancel(reference).await,
            },
            ProviderAction::Void | ProviderAction::Supersede => provider.cancel(reference).await,
            ProviderAction::Refund => return refund_charge(self.state, payment, reference).await,
        };
        record_intent(self.state, payment, Some(action), intent?).await
    }
}

/// Takes one step towards refunding the whole charge: stores a refund attempt, which determines the idempotency key;
/// or, if one is stored, requests the refund with its key and records the charge's state after it.
///
/// # Errors
/// Unavailable while the charge is not refunded: retry.
async fn refund_charge(
    state: &AppState,
    payment: &Versioned<Payment>,
    reference: &str,
) -> Result<RecordOutcome, Error> {
    let now = state.clock.now();
    let Some(refund) = payment.refund.as_ref().filter(|refund| now.since(refund.since) < KEY_TTL) else {
        return start_attempt(state, payment).await;
    };
    let key = format!("{}:refund:{}", payment.id, refund.attempt);
    let response = state.provider.refund(reference, &key).await;
    // The state of the charge decides, whatever the response was: it may be an error because nothing is left to refund.
    if let Some(charge) = state.provider.look_up(reference).await?.charge
        && charge.net_amount < payment.received_amount() - payment.refunded_amount()
    {
        record_charge(state, payment.clone(), &charge).await?;
        // The payment was saved, by this call or a concurrent one.
        return Ok(RecordOutcome::Overtaken);
    }
    match response {
        Ok(()) => Err(Error::Unavailable(None)),
        Err(error) => {
            let is_over = match &error {
                ProviderError::Failed(_) => true,
                ProviderError::Permanent(_) => now.since(refund.since) >= rejected_refund_pause(refund.attempt),
                ProviderError::UnknownMethod | ProviderError::Unknown(_) => false,
            };
            if is_over {
                // The same key would only replay the response.
                start_attempt(state, payment).await?;
            }
            Err(error.into())
        }
    }
}

/// How long this attempt to refund lasts before a rejection starts a new one: twice as long as the one before.
fn rejected_refund_pause(attempt: u32) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    REJECTED_REFUND_PAUSE.saturating_mul(factor).min(KEY_TTL)
}

async fn start_attempt(state: &AppState, payment: &Versioned<Payment>) -> Result<RecordOutcome, Error> {
    let (next, change) = payment.state.clone().start_refund(state.clock.now())?;
    RecordOutcome::of(state.payments.save(payment, next, change).await)
}
