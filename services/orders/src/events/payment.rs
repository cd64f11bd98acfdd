//! A payment changed: its order is authorised, completed, or cancelled because the capture failed.

use common::events::envelope::Envelope;
use common::events::payment::PaymentState;
use platform::stream::subscription::{Applied, Failure};

use crate::domain::reconcile;
use crate::flows::reconcile_order::reconcile_order;
use crate::state::AppState;

pub(super) async fn handle(state: AppState, event: Envelope<PaymentState>) -> Result<Applied, Failure> {
    let applied = state.payments.put_if_newer(&event).await?;
    let order = reconcile_order(&state, event.data.order_id).await?;
    // If the snapshot shows that the payment still waits for an order that was authorised or cancelled, `payments` has
    // missed our event.
    if let Some(order) = order
        && event.is_snapshot()
        && reconcile::payments_missed_decision(&order, &event.data)
    {
        state.orders.announce(&order);
    }
    Ok(applied)
}
