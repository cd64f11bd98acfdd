//! Looks at what the provider did to a payment after its end, and writes it down: a refund or a dispute made in its
//! dashboard, or less received than was asked for. The ledger is never contradicted in silence.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::payment::PaymentChange;
use platform::store::error::StoreError;

use super::record_answer::away;
use super::settle_strays::{Checked, settle_known};
use crate::domain::intent::Charge;
use crate::domain::payment::Payment;
use crate::domain::reconcile;
use crate::state::State;

/// Looks a payment up that is over. It was read before the provider is asked, so that what is written down is never
/// older than what is there.
pub async fn observe_payment(state: &State, payment: &Versioned<Payment>) -> Result<(), Error> {
    let Some(reference) = &payment.provider_ref else { return Ok(()) };
    let intent = state.provider.look_up(reference).await.map_err(away)?;
    if settle_known(state, payment, &intent).await? == Checked::InOrder
        && let Some(charge) = intent.charge
    {
        record_charge(state, payment.clone(), &charge).await?;
    }
    Ok(())
}

/// Writes down what came of a charge. Whoever was faster had the newer news, or leaves it to the next look.
pub(super) async fn record_charge(
    state: &State,
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
