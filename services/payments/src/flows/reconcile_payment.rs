//! Brings a payment in agreement with its order: captures what won, gives back the rest.

use common::error::Error;
use common::events::order::OrderState;
use common::id::PaymentId;
use platform::reconcile::{Pass, Reconcile, until_settled};
use platform::store::Versioned;

use super::record_answer::{Recorded, away, record_answer};
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, Call};
use crate::state::State;

/// Steps until nothing is left to do; the payment as it then is.
///
/// # Errors
/// Unavailable when the provider did not do what it was asked to, or does not answer: try again.
pub async fn reconcile_payment(state: &State, id: PaymentId) -> Result<Option<Versioned<Payment>>, Error> {
    let (payment, _) = until_settled(&OnePayment { state, id }).await?;
    Ok(payment)
}

struct OnePayment<'a> {
    state: &'a State,
    id: PaymentId,
}

impl Reconcile for OnePayment<'_> {
    type View = (Option<Versioned<Payment>>, Option<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        let Some(payment) = self.state.payments.get(self.id).await? else { return Ok((None, None)) };
        let order = self.state.orders.get(payment.order_id).await?;
        Ok((Some(payment), order))
    }

    async fn step(&self, (payment, order): &Self::View) -> Result<Pass, Error> {
        let Some(payment) = payment else { return Ok(Pass::Settled) };
        let (now, patience) = (self.state.clock.now(), self.state.rules.capture_patience);
        let order = order.as_ref().map(|order| &order.state);
        let Some(call) = reconcile::next(&payment.state, order, now, patience) else { return Ok(Pass::Settled) };
        match self.ask(payment, call).await? {
            Recorded::Changed(_) | Recorded::Overtaken => Ok(Pass::Changed),
            Recorded::Nothing => {
                tracing::warn!(payment.id = %self.id, ?call, "the provider did not do it yet");
                Err(Error::Unavailable(None))
            }
        }
    }
}

impl OnePayment<'_> {
    async fn ask(&self, payment: &Versioned<Payment>, call: Call) -> Result<Recorded, Error> {
        let Some(reference) = &payment.provider_ref else {
            return Err(Error::internal_message("a payment that was answered has no provider's id"));
        };
        let provider = &self.state.provider;
        let answer = match call {
            Call::Capture => provider.capture(reference).await,
            Call::GiveUpCapture | Call::Void | Call::Supersede => provider.cancel(reference).await,
        };
        record_answer(self.state, payment, Some(call), answer.map_err(away)?).await
    }
}
