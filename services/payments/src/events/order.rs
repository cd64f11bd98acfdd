//! An order changed: the payment that authorised it is captured, any other one is voided or refunded.

use common::events::order::OrderState;
use platform::reconcile::Current;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_payment::reconcile_payment;
use crate::state::AppState;
use crate::store;

pub(super) async fn handle(state: AppState, delivery: Delivery<OrderState>) -> Result<Applied, Failure> {
    let event = &delivery.event;
    let stored = state.orders.put_and_read(event).await?;
    if delivery.is_first(&stored) && !reconcile::can_need_action(&stored.entity) {
        return Ok(stored.applied);
    }
    for payment in store::affected_by(&state.payments, &stored.entity).await? {
        let (id, seen) = (payment.id, Some(stored.entity.clone()));
        let payment = reconcile_payment(&state, id, Current::from(payment), seen).await?;
        // If the snapshot shows that the order still waits for this payment, `orders` has missed our event.
        if let Some(payment) = payment
            && delivery.has_snapshot()
            && reconcile::orders_missed_payment(&payment, &event.data)
        {
            state.payments.announce(&payment);
        }
    }
    Ok(stored.applied)
}
