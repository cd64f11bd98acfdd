//! Records an intent's status and its charge's state in its payment, by compare-and-swap.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderStatus;
use common::events::payment::{PaymentChange, PaymentStatus};
use platform::store::error::StoreError;

use crate::domain::intent::{Charge, Intent, IntentStatus};
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, ProviderAction};
use crate::state::AppState;

/// The outcome of recording a provider's response.
#[derive(Debug, Clone)]
pub enum RecordOutcome {
    /// The payment changed; its newest version.
    Updated(Box<Versioned<Payment>>),
    /// Nothing changed.
    Unchanged,
    /// Another write has changed the payment: load it again.
    Overtaken,
}

impl RecordOutcome {
    /// The outcome of a compare-and-swap.
    pub(super) fn of(saved: Result<Versioned<Payment>, StoreError>) -> Result<Self, Error> {
        match saved {
            Ok(payment) => Ok(Self::Updated(Box::new(payment))),
            Err(StoreError::VersionConflict) => Ok(Self::Overtaken),
            Err(error) => Err(error.into()),
        }
    }
}

/// Records an intent's status after `action`, if there was one. The intent of a declined card is cancelled at the
/// provider first.
pub async fn record_intent(
    state: &AppState,
    payment: &Versioned<Payment>,
    action: Option<ProviderAction>,
    mut intent: Intent,
) -> Result<RecordOutcome, Error> {
    if let IntentStatus::Declined { reason: decline_code } = &intent.status
        && !payment.status_name().is_final()
    {
        let decline_code = decline_code.clone();
        intent = state.provider.cancel(&intent.reference).await?;
        if let IntentStatus::Cancelled { reason } = &mut intent.status {
            reason.get_or_insert(decline_code);
        }
    }
    let now = state.clock.now();
    let Some(transition) = reconcile::apply_intent(payment, action, &intent, now) else {
        return Ok(RecordOutcome::Unchanged);
    };
    let (mut next, change) = transition?;
    let is_response = match next.status_name() {
        // The request fails and stores no response, so that the buyer may repeat it with the same key.
        PaymentStatus::Declined => false,
        // If the order was closed during the authorisation, the payment will be voided and the request fails.
        PaymentStatus::Authorized => action != Some(ProviderAction::Void),
        _ => true,
    };
    if payment.status_name() == PaymentStatus::Authorizing && is_response {
        next = next.record_response(payment.version + 1);
    }
    let saved = state.payments.save(payment, next, change).await;
    let is_requested = matches!(action, Some(ProviderAction::Capture | ProviderAction::CaptureOrCancel));
    // The provider has captured the payment without a request of this service.
    if let Ok(saved) = &saved
        && saved.is_captured()
        && !is_requested
    {
        log_change(saved, change);
    }
    // The intent may have been captured in the provider's dashboard, perhaps partially.
    match (saved, intent.charge) {
        (Ok(saved), Some(charge)) => record_charge(state, saved, &charge).await,
        (saved, _) => RecordOutcome::of(saved),
    }
}

/// Whether the payment's order was cancelled, according to the replica.
pub(super) async fn is_order_cancelled(state: &AppState, payment: &Payment) -> Result<bool, Error> {
    let order = state.orders.get(payment.order_id).await?;
    Ok(order.is_some_and(|order| order.status == OrderStatus::Cancelled))
}

/// Records the state of a charge at the provider: refunded, disputed, or another amount than was requested. Returns the
/// newest version of the payment. Stops after a lost compare-and-swap: the other writer has newer data, or the next
/// synchronisation records the rest.
pub(super) async fn record_charge(
    state: &AppState,
    mut payment: Versioned<Payment>,
    charge: &Charge,
) -> Result<RecordOutcome, Error> {
    while let Some(transition) = reconcile::apply_charge(&payment, charge, state.clock.now()) {
        let (next, change) = transition?;
        payment = match state.payments.save(&payment, next, change).await {
            Ok(saved) => saved,
            Err(StoreError::VersionConflict) => return Ok(RecordOutcome::Overtaken),
            Err(error) => return Err(error.into()),
        };
        log_change(&payment, change);
    }
    Ok(RecordOutcome::Updated(Box::new(payment)))
}

/// Logs and counts a change that was made at the provider. A refund by this service is only logged.
fn log_change(payment: &Versioned<Payment>, change: PaymentChange) {
    let kind = match change {
        PaymentChange::Disputed => "disputed",
        PaymentChange::Overpaid => "amount",
        PaymentChange::Captured => "captured",
        _ if payment.refund.is_some() => {
            let amount = payment.refunded_amount();
            tracing::info!(payment.id = %payment.id, amount, "the charge of a closed order was refunded");
            return;
        }
        _ => "refunded",
    };
    metrics::counter!("payments_changed_at_provider_total", "kind" => kind).increment(1);
    tracing::warn!(payment.id = %payment.id, order.id = %payment.order_id, kind, "a payment was changed at the provider");
}
