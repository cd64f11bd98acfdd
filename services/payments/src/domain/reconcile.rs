//! A payment's next provider action, and the transitions that the provider's responses lead to.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::timestamp::Timestamp;

use super::intent::{Charge, Intent, IntentStatus};
use super::payment::{Payment, Refund, Transition};

/// An action at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderAction {
    /// Charge the card, because this payment authorised the order.
    Capture,
    /// The captures have failed for as long as they are retried: try once more, and cancel if that fails as well. What
    /// the provider then reports decides between captured and failed.
    CaptureOrCancel,
    /// Release the authorisation, because the order is closed for this payment.
    Void,
    /// Refund the whole charge, because the order is closed for this payment.
    Refund,
    /// Cancel, because the buyer switches to another card instead of passing 3-D Secure.
    Supersede,
}

/// The action that a payment needs; `None` when it agrees with its order. Captures are retried for `retry_window`.
///
/// A payment whose authorisation has no result yet needs no action: it can only be voided once the result is known.
pub fn next_action(
    payment: &Payment,
    order: Option<&OrderState>,
    now: Timestamp,
    retry_window: Duration,
) -> Option<ProviderAction> {
    let order = order.filter(|order| order.id == payment.order_id)?;
    if is_closed(payment, order) {
        return closing_action(payment);
    }
    match payment.status_name() {
        PaymentStatus::Authorized if order.payment_id == Some(payment.id) => {
            // The window starts at the first failed capture, so that after an outage of this service the first call is
            // still a capture.
            let is_over = payment.capture_delayed_at().is_some_and(|since| now.since(since) > retry_window);
            Some(if is_over { ProviderAction::CaptureOrCancel } else { ProviderAction::Capture })
        }
        _ => None,
    }
}

/// The action after which nothing of a payment is authorised or charged; `None` when nothing is, or while the result of
/// its authorisation is not known.
pub fn closing_action(payment: &Payment) -> Option<ProviderAction> {
    match payment.status_name() {
        // The bank decides a disputed charge.
        PaymentStatus::Captured if !payment.is_refunded() && !payment.disputed => Some(ProviderAction::Refund),
        PaymentStatus::RequiresAction | PaymentStatus::Authorized => Some(ProviderAction::Void),
        _ => None,
    }
}

/// Whether any order can make an action of this payment necessary. A captured payment needs its order until it is
/// refunded or disputed: the order may be completed or cancelled without this payment, as when the card was charged in
/// the provider's dashboard.
pub fn may_need_action(payment: &Payment) -> bool {
    match payment.status_name() {
        PaymentStatus::RequiresAction | PaymentStatus::Authorized => true,
        PaymentStatus::Captured => !payment.is_refunded() && !payment.disputed,
        PaymentStatus::Authorizing | PaymentStatus::Declined | PaymentStatus::Failed | PaymentStatus::Voided => false,
    }
}

/// Whether this order can make an action of any payment necessary: not while it is unpaid.
pub fn can_need_action(order: &OrderState) -> bool {
    !matches!(order.status, OrderStatus::Created | OrderStatus::AwaitingPayment)
}

/// Whether the order is closed for this payment: it is cancelled, or another payment authorised it.
pub fn is_closed(payment: &Payment, order: &OrderState) -> bool {
    match order.status {
        OrderStatus::Created | OrderStatus::AwaitingPayment => false,
        OrderStatus::Authorized | OrderStatus::Completed => order.payment_id != Some(payment.id),
        OrderStatus::Cancelled => true,
    }
}

/// The transition that an intent's status leads to, after `action` if there was one; `None` when nothing changed.
pub fn apply_intent(
    payment: &Payment,
    action: Option<ProviderAction>,
    intent: &Intent,
    now: Timestamp,
) -> Option<Transition> {
    let (payment, reference) = (payment.clone(), intent.reference.clone());
    let status = payment.status_name();
    if status.is_final() {
        return None;
    }
    match &intent.status {
        IntentStatus::RequiresAction if status == PaymentStatus::Authorizing => {
            Some(payment.require_action(reference, now))
        }
        IntentStatus::Authorized if status != PaymentStatus::Authorized => Some(payment.authorize(reference, now)),
        IntentStatus::Captured => Some(payment.capture(reference, now).map(|(mut captured, change)| {
            if action == Some(ProviderAction::Void) {
                // Too late to void. The refund is part of the same write, so that it can't be lost.
                captured.refund = Some(Refund { attempt: 1, since: now, is_open: true });
            }
            (captured, change)
        })),
        IntentStatus::Cancelled { reason } => {
            let reason = reason.as_deref().unwrap_or("cancelled_at_provider").to_owned();
            Some(apply_cancellation(payment, action, reason, reference, now))
        }
        // The intent of a declined card is cancelled at the provider before the payment counts as declined: until then
        // the buyer's browser could still confirm the intent with another card.
        IntentStatus::Pending
        | IntentStatus::RequiresAction
        | IntentStatus::Authorized
        | IntentStatus::Declined { .. } => None,
    }
}

/// The transition after the provider has cancelled the intent, which depends on why it was cancelled.
fn apply_cancellation(
    payment: Payment,
    action: Option<ProviderAction>,
    reason: String,
    reference: String,
    now: Timestamp,
) -> Transition {
    use ProviderAction::{Capture, CaptureOrCancel, Supersede, Void};
    match (payment.status_name(), action) {
        (PaymentStatus::RequiresAction | PaymentStatus::Authorized, Some(Void)) => payment.void(now),
        (PaymentStatus::RequiresAction, Some(Supersede)) => {
            payment.decline(PaymentState::SUPERSEDED.to_owned(), Some(reference), now)
        }
        (PaymentStatus::Authorized, Some(Capture | CaptureOrCancel)) => payment.fail(reason, now),
        // This includes an authorisation that was cancelled in the provider's dashboard before the order was
        // authorised: the buyer can try another card.
        _ => payment.decline(reason, Some(reference), now),
    }
}

/// The transition that the charge of a captured payment leads to; `None` when nothing changed.
pub fn apply_charge(payment: &Payment, charge: &Charge, now: Timestamp) -> Option<Transition> {
    if !payment.is_captured() {
        return None;
    }
    if charge.received > payment.received_amount() {
        return Some(payment.clone().overpay(charge.received, now));
    }
    let refunded = (payment.received_amount() - charge.net_amount).max(0);
    if refunded != payment.refunded_amount() {
        return Some(payment.clone().refund(refunded, now));
    }
    (charge.disputed && !payment.disputed).then(|| payment.clone().dispute(now))
}

/// The transition after a failed capture; `None` when it is not the first one.
pub fn apply_failed_capture(payment: &Payment, now: Timestamp) -> Option<Transition> {
    let first = payment.status_name() == PaymentStatus::Authorized && payment.capture_delayed_at().is_none();
    first.then(|| payment.clone().delay_capture(now))
}

/// Whether `orders` has missed an event of this payment.
pub fn orders_missed_payment(payment: &Payment, order: &OrderState) -> bool {
    let status = payment.status_name();
    match order.status {
        OrderStatus::AwaitingPayment => matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured),
        OrderStatus::Authorized => order.payment_id == Some(payment.id) && status.is_final(),
        _ => false,
    }
}
