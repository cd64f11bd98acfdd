//! Checks whether a payment accounts for an intent at the provider.

use super::intent::{Intent, IntentStatus};
use super::payment::Payment;
use super::reconcile;

/// The result of checking an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentCheck {
    /// A payment accounts for the intent, or no money can move: nothing to do.
    Consistent,
    /// The intent is the payment's own captured one, and the payment has not recorded the charge's present state.
    PaymentOutdated,
    /// The intent is orphaned and can still be charged: cancel it.
    NeedsCancel,
    /// The intent is orphaned and was charged: refund it.
    NeedsRefund,
}

/// Checks an intent against the payment that it was created for, if there is one.
pub fn check_intent(payment: Option<&Payment>, intent: &Intent) -> IntentCheck {
    let Intent { reference, status, charge, .. } = intent;
    if matches!(status, IntentStatus::Cancelled { .. }) {
        return IntentCheck::Consistent;
    }
    if let Some(payment) = payment {
        let is_own = payment.provider_ref.as_ref() == Some(reference);
        if !payment.status_name().is_final() && (is_own || payment.provider_ref.is_none()) {
            return IntentCheck::Consistent;
        }
        if is_own && payment.is_captured() && *status == IntentStatus::Captured {
            let change = charge.and_then(|charge| reconcile::apply_charge(payment, &charge, payment.updated_at));
            return if change.is_some() { IntentCheck::PaymentOutdated } else { IntentCheck::Consistent };
        }
    }
    match status {
        IntentStatus::Captured if charge.is_some_and(|charge| charge.net_amount <= 0) => IntentCheck::Consistent,
        IntentStatus::Captured => IntentCheck::NeedsRefund,
        _ => IntentCheck::NeedsCancel,
    }
}
