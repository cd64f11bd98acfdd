//! An order changed: the payment that authorised it is captured, any other one is voided or refunded.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use platform::reconcile::Own;
use platform::stream::subscription::{Applied, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_payment::reconcile_payment;
use crate::state::AppState;
use crate::store;

pub(super) async fn handle(state: AppState, event: Envelope<OrderState>) -> Result<Applied, Failure> {
    let stored = state.orders.put_and_read(&event).await?;
    // The change can't make an action necessary. A redelivered event or a snapshot is handled nevertheless.
    if stored.is_first_of(&event) && !reconcile::can_need_action(&stored.entity) {
        return Ok(stored.applied);
    }
    for payment in store::affected_by(&state.payments, &stored.entity).await? {
        let (id, seen) = (payment.id, Some(stored.entity.clone()));
        let payment = reconcile_payment(&state, id, Own::from(payment), seen).await?;
        // If the snapshot shows that the order still waits for this payment, `orders` has missed our event.
        if let Some(payment) = payment
            && event.is_snapshot()
            && reconcile::orders_missed_payment(&payment, &event.data)
        {
            state.payments.announce(&payment);
        }
    }
    Ok(stored.applied)
}
