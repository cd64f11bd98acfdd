//! Looks at what the provider did to a payment after its end, and writes it down: a refund or a dispute made in its
//! dashboard, or less received than was asked for. The ledger is never contradicted in silence.

use common::aggregate::Versioned;
use common::error::Error;

use super::record_answer::away;
use super::record_charge::record_charge;
use super::settle_intent::{Checked, settle_known};
use crate::domain::payment::Payment;
use crate::state::AppState;

/// Looks a payment up that is over. It was read before the provider is asked, so that what is written down is never
/// older than what is there.
pub async fn observe_payment(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    let Some(reference) = &payment.provider_ref else { return Ok(()) };
    let intent = state.provider.look_up(reference).await.map_err(away)?;
    if settle_known(state, payment, &intent).await? == Checked::InOrder
        && let Some(charge) = intent.charge
    {
        record_charge(state, payment.clone(), &charge).await?;
    }
    Ok(())
}
