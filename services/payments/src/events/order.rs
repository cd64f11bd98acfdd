//! An order changed: the payment that authorised it is captured, any other one is voided or refunded.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use platform::stream::subscription::{Applied, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_payment::reconcile_payment;
use crate::state::AppState;
use crate::store;

pub(super) async fn handle(state: AppState, event: Envelope<OrderState>) -> Result<Applied, Failure> {
    let applied = state.orders.put_if_newer(&event).await?;
    for payment in store::affected_by(&state.payments, &event.data).await? {
        let payment = reconcile_payment(&state, payment.id).await?;
        // If the snapshot shows that the order still waits for this payment, `orders` has missed our event.
        if let Some(payment) = payment
            && event.is_snapshot()
            && reconcile::orders_missed_payment(&payment, &event.data)
        {
            state.payments.announce(&payment);
        }
    }
    Ok(applied)
}
