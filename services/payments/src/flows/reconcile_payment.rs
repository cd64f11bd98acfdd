//! Brings a payment in agreement with its order: captures what won, gives back the rest.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::PaymentId;
use platform::reconcile::{Progress, Reconcile, advance, until_settled};
use platform::telemetry;

use super::give_back::give_back;
use super::record_answer::{Recorded, away, record_answer};
use crate::domain::intent::Standing;
use crate::domain::payment::Payment;
use crate::domain::reconcile::{self, Call};
use crate::state::AppState;

/// Steps until nothing is left to do; the payment as it then is.
///
/// A charge that the provider does not give back yet is no error: that may last for days, as when its balance is empty,
/// and is the reconciler's to try again once the attempt is stored. Whoever came with news is not kept waiting for it.
///
/// # Errors
/// Unavailable when the provider did not do what it was asked to, or does not answer: try again.
pub async fn reconcile_payment(state: &AppState, id: PaymentId) -> Result<Option<Versioned<Payment>>, Error> {
    let error = match until_settled(&OnePayment { state, id }).await {
        Ok((payment, _)) => return Ok(payment),
        Err(error) => error,
    };
    let payment = state.payments.get(id).await?;
    if payment.as_ref().is_some_and(|payment| payment.is_to_be_given_back()) {
        metrics::counter!("payment_refund_failures_total").increment(1);
        tracing::warn!(payment.id = %id, error = telemetry::causes(&error), "a charge is not given back yet; it is tried again");
        return Ok(payment);
    }
    Err(error)
}

struct OnePayment<'a> {
    state: &'a AppState,
    id: PaymentId,
}

impl Reconcile for OnePayment<'_> {
    type View = (Option<Versioned<Payment>>, Option<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        let Some(payment) = self.state.payments.get(self.id).await? else { return Ok((None, None)) };
        let order = self.state.orders.get(payment.order_id).await?;
        Ok((Some(payment), order))
    }

    async fn step(&self, (payment, order): &Self::View) -> Result<Progress, Error> {
        let Some(payment) = payment else { return Ok(Progress::Settled) };
        let (now, patience) = (self.state.clock.now(), self.state.config.capture_retry_window);
        let order = order.as_ref().map(|order| &order.state);
        let Some(call) = reconcile::next(&payment.state, order, now, patience) else { return Ok(Progress::Settled) };
        let failed = match self.ask(payment, call).await {
            Ok(Recorded::Changed(_) | Recorded::Overtaken) => return Ok(Progress::Changed),
            Ok(Recorded::Nothing) => {
                tracing::warn!(payment.id = %self.id, ?call, "the provider did not do it yet");
                Error::Unavailable(None)
            }
            Err(error) => error,
        };
        if matches!(call, Call::Capture | Call::GiveUpCapture) {
            self.capture_failed(payment).await?;
        }
        Err(failed)
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
            // The provider may be back just now: the order is won, so it is charged before it is given up.
            Call::GiveUpCapture => match provider.capture(reference).await {
                Ok(intent) if intent.standing == Standing::Captured => Ok(intent),
                _ => provider.cancel(reference).await,
            },
            Call::Void | Call::Supersede => provider.cancel(reference).await,
            Call::GiveBack => return give_back(self.state, payment, reference).await,
        };
        record_answer(self.state, payment, Some(call), answer.map_err(away)?).await
    }

    /// Writes down when captures began to fail. Who is overtaken leaves it to whoever was faster.
    async fn capture_failed(&self, payment: &Versioned<Payment>) -> Result<(), Error> {
        let Some(step) = reconcile::capture_failed(payment, self.state.clock.now()) else { return Ok(()) };
        advance(&self.state.payments, payment, step?).await.map(drop)
    }
}
