//! Writes down what the provider says of a charge: what was given back, disputed, or never received.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::payment::PaymentChange;
use platform::store::error::StoreError;

use crate::domain::intent::Charge;
use crate::domain::payment::Payment;
use crate::domain::reconcile;
use crate::state::AppState;

/// Writes down what came of a charge. Whoever was faster had the newer news, or leaves it to the next look.
pub(super) async fn record_charge(
    state: &AppState,
    mut payment: Versioned<Payment>,
    charge: &Charge,
) -> Result<(), Error> {
    if charge.kept > payment.amount.amount {
        metrics::counter!("payments_changed_at_provider_total", "kind" => "amount").increment(1);
        tracing::error!(payment.id = %payment.id, charge.kept, "the provider received more than was asked for");
    }
    while let Some(step) = reconcile::observe(&payment, charge, state.clock.now()) {
        let (next, change) = step?;
        payment = match state.payments.save(&payment, next, change).await {
            Ok(saved) => saved,
            Err(StoreError::Stale) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        tell(&payment, change);
    }
    Ok(())
}

/// What we gave back ourselves is no surprise.
fn tell(payment: &Versioned<Payment>, change: PaymentChange) {
    let kind = match change {
        PaymentChange::Disputed => "disputed",
        _ if payment.refund.is_some() => {
            let amount = payment.refunded_amount();
            tracing::info!(payment.id = %payment.id, amount, "a charge was given back: its order is closed");
            return;
        }
        _ => "refunded",
    };
    metrics::counter!("payments_changed_at_provider_total", "kind" => kind).increment(1);
    tracing::warn!(payment.id = %payment.id, order.id = %payment.order_id, kind, "a payment was changed at the provider");
}
