//! What a payment needs from the provider, given its order and what the provider says.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentStatus};
use common::timestamp::Timestamp;

use super::payment::{Payment, PaymentError};
use crate::providers::{Intent, Standing};

/// A call to the provider that has to be made next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The order is won by this payment: charge the card.
    Capture,
    /// Captures have failed for too long: cancel, and let the answer decide.
    GiveUpCapture,
    /// The order is closed, or another payment won it: give the authorisation back.
    Void,
    /// The buyer takes another card instead of passing 3-D Secure with this one.
    Supersede,
}

/// The call that this payment needs; `None` when it agrees with its order.
///
/// A payment whose authorisation is not answered needs nothing yet: what the answer will be has to
/// be known before it can be voided.
pub fn next(payment: &Payment, order: Option<&OrderState>, now: Timestamp, patience: Duration) -> Option<Call> {
    let order = order.filter(|order| order.id == payment.order_id)?;
    let won = order.payment_id == Some(payment.id);
    let closed = match order.status {
        OrderStatus::Created | OrderStatus::AwaitingPayment => false,
        OrderStatus::Authorized | OrderStatus::Completed => !won,
        OrderStatus::Cancelled => true,
    };
    match payment.status_name() {
        PaymentStatus::RequiresAction | PaymentStatus::Authorized if closed => Some(Call::Void),
        PaymentStatus::Authorized if won => {
            let waited = now.since(order.updated_at.max(payment.updated_at));
            Some(if waited > patience { Call::GiveUpCapture } else { Call::Capture })
        }
        _ => None,
    }
}

/// The change that the provider's answer means; `None` when it tells nothing new.
pub fn follow(
    payment: &Payment,
    call: Option<Call>,
    intent: &Intent,
    now: Timestamp,
) -> Option<Result<(Payment, PaymentChange), PaymentError>> {
    let (payment, reference) = (payment.clone(), intent.reference.clone());
    let status = payment.status_name();
    if status.is_final() {
        return None;
    }
    match &intent.standing {
        Standing::RequiresAction if status == PaymentStatus::Authorizing => {
            Some(payment.require_action(reference, now))
        }
        Standing::Authorized if status != PaymentStatus::Authorized => Some(payment.authorize(reference, now)),
        Standing::Captured => Some(payment.capture(reference, now)),
        Standing::Cancelled { reason } => Some(cancelled(payment, call, reason.as_deref(), reference, now)),
        // A refused card is cancelled at the provider before it counts as declined, because until
        // then the buyer's browser could still confirm the intent with another card.
        Standing::Pending | Standing::RequiresAction | Standing::Authorized | Standing::Declined { .. } => None,
    }
}

/// The provider has cancelled the intent. What that means depends on why we asked, or that we did not.
fn cancelled(
    payment: Payment,
    call: Option<Call>,
    reason: Option<&str>,
    reference: String,
    now: Timestamp,
) -> Result<(Payment, PaymentChange), PaymentError> {
    match (payment.status_name(), call) {
        (PaymentStatus::RequiresAction | PaymentStatus::Authorized, Some(Call::Void)) => payment.void(now),
        (PaymentStatus::RequiresAction, Some(Call::Supersede)) => {
            payment.decline("superseded".to_owned(), Some(reference), now)
        }
        (PaymentStatus::Authorized, _) => payment.fail(reason.unwrap_or("cancelled_at_provider").to_owned(), now),
        _ => payment.decline(reason.unwrap_or("cancelled_at_provider").to_owned(), Some(reference), now),
    }
}

/// Whether orders waits for news of this payment that was told already.
pub fn is_peer_behind(payment: &Payment, order: &OrderState) -> bool {
    let status = payment.status_name();
    match order.status {
        OrderStatus::AwaitingPayment => matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured),
        OrderStatus::Authorized => order.payment_id == Some(payment.id) && status.is_final(),
        _ => false,
    }
}
