//! Any event of a payment: its order is won, completed, or closed because the capture failed.

use common::events::envelope::Envelope;
use common::events::payment::PaymentState;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::reconcile;
use crate::flows::reconcile_order::reconcile_order;
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::to(move |event| handle(state.clone(), event))
}

async fn handle(state: AppState, event: Envelope<PaymentState>) -> Result<Applied, Failure> {
    let applied = state.payments.put_if_newer(&event).await?;
    let order = reconcile_order(&state, event.data.order_id).await?;
    // payments announces a payment that waits for us although we have decided: it missed our event.
    if let Some(order) = order
        && event.is_snapshot()
        && reconcile::is_payments_behind(&order, &event.data)
    {
        state.orders.announce(&order);
    }
    Ok(applied)
}
