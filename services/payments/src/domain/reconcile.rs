//! What a payment needs from the provider, given its order and what the provider says.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::timestamp::Timestamp;

use super::intent::{Charge, Intent, Standing};
use super::payment::{Payment, PaymentError, Refund};

/// A call to the provider that has to be made next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The order is won by this payment: charge the card.
    Capture,
    /// Captures have failed for too long: try once more, then cancel, and let the answer decide.
    GiveUpCapture,
    /// The order is closed, or another payment won it: give the authorisation back.
    Void,
    /// The card was charged, and the order is closed or won by another payment: give it all back.
    GiveBack,
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
    let closed = is_closed(payment, order);
    match payment.status_name() {
        // Of one that is disputed the bank decides.
        PaymentStatus::Captured if closed && !payment.is_refunded() && !payment.disputed => Some(Call::GiveBack),
        PaymentStatus::RequiresAction | PaymentStatus::Authorized if closed => Some(Call::Void),
        PaymentStatus::Authorized if won => {
            // Counted from a capture that failed, so that an outage of ours never makes the first call a cancel.
            let out_of_patience = payment.capture_delayed_at().is_some_and(|since| now.since(since) > patience);
            Some(if out_of_patience { Call::GiveUpCapture } else { Call::Capture })
        }
        _ => None,
    }
}

/// Whether this order will never take this payment: it is cancelled, or another payment has won it.
pub fn is_closed(payment: &Payment, order: &OrderState) -> bool {
    match order.status {
        OrderStatus::Created | OrderStatus::AwaitingPayment => false,
        OrderStatus::Authorized | OrderStatus::Completed => order.payment_id != Some(payment.id),
        OrderStatus::Cancelled => true,
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
        Standing::Captured => Some(payment.capture(reference, now).map(|(mut captured, change)| {
            if call == Some(Call::Void) {
                // Too late to be given back as an authorisation. Part of the same write, so that it is not forgotten.
                captured.refund = Some(Refund { attempt: 1, since: now, is_open: true });
            }
            (captured, change)
        })),
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
            payment.decline(PaymentState::SUPERSEDED.to_owned(), Some(reference), now)
        }
        (PaymentStatus::Authorized, Some(Call::Capture | Call::GiveUpCapture)) => {
            payment.fail(reason.unwrap_or("cancelled_at_provider").to_owned(), now)
        }
        // Also an authorisation that somebody cancelled in the provider's dashboard before the order was won:
        // the buyer may take another card.
        _ => payment.decline(reason.unwrap_or("cancelled_at_provider").to_owned(), Some(reference), now),
    }
}

/// The change that a look at the charge of a captured payment means; `None` when it tells nothing new.
pub fn observe(
    payment: &Payment,
    charge: &Charge,
    now: Timestamp,
) -> Option<Result<(Payment, PaymentChange), PaymentError>> {
    if payment.status_name() != PaymentStatus::Captured {
        return None;
    }
    // More than was asked for can't be written as a refund; who looks says so.
    let given_back = (payment.amount.amount - charge.kept).max(0);
    if given_back != payment.refunded_amount() {
        return Some(payment.clone().refund(given_back, now));
    }
    (charge.disputed && !payment.disputed).then(|| payment.clone().dispute(now))
}

/// The change that a capture which failed means; `None` when it is not the first.
pub fn capture_failed(payment: &Payment, now: Timestamp) -> Option<Result<(Payment, PaymentChange), PaymentError>> {
    let first = payment.status_name() == PaymentStatus::Authorized && payment.capture_delayed_at().is_none();
    first.then(|| payment.clone().delay_capture(now))
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
