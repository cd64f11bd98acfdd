//! Whether an intent at the provider is one that the payments know of.

use super::intent::{Charge, Standing};
use super::payment::Payment;
use super::reconcile;

/// What is to be done about an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A payment vouches for it, or it is cancelled: nothing to do.
    InOrder,
    /// It is its payment's own charge, and the payment has not recorded its present state.
    Changed,
    /// No payment vouches for it and it can still be charged: cancel it.
    Open,
    /// No payment vouches for it and it was charged: refund it.
    Charged,
}

/// Judges an intent by the payment that it was made for, if there is one.
pub fn verdict(payment: Option<&Payment>, reference: &str, standing: &Standing, charge: Option<&Charge>) -> Verdict {
    if matches!(standing, Standing::Cancelled { .. }) {
        return Verdict::InOrder;
    }
    if let Some(payment) = payment {
        let its_own = payment.provider_ref.as_deref() == Some(reference);
        let status = payment.status_name();
        if !status.is_final() && (its_own || payment.provider_ref.is_none()) {
            return Verdict::InOrder;
        }
        if its_own && payment.is_captured() && *standing == Standing::Captured {
            let news = charge.is_some_and(|charge| reconcile::observe(payment, charge, payment.updated_at).is_some());
            return if news { Verdict::Changed } else { Verdict::InOrder };
        }
    }
    match standing {
        Standing::Captured if charge.is_some_and(|charge| charge.kept <= 0) => Verdict::InOrder,
        Standing::Captured => Verdict::Charged,
        _ => Verdict::Open,
    }
}
