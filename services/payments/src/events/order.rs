//! Any event of an order: its winning payment is captured, every other one given back.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::reconcile;
use crate::flows::reconcile_payment::reconcile_payment;
use crate::state::AppState;
use crate::store;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::to(move |event| handle(state.clone(), event))
}

async fn handle(state: AppState, event: Envelope<OrderState>) -> Result<Applied, Failure> {
    let applied = state.orders.put_if_newer(&event).await?;
    for payment in store::moved_by(&state.payments, &event.data).await? {
        let payment = reconcile_payment(&state, payment.id).await?;
        // orders announces an order that waits for us although we have told it: it missed our event.
        if let Some(payment) = payment
            && event.is_snapshot()
            && reconcile::is_peer_behind(&payment, &event.data)
        {
            state.payments.announce(&payment);
        }
    }
    Ok(applied)
}
