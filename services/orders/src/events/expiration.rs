//! A timer has fired: an order that is not paid by now is over.

use std::time::Duration;

use common::error::{Error, Rejection};
use common::events::envelope::Envelope;
use common::events::expiration::ExpirationState;
use platform::store::error::StoreError;
use platform::stream::subscription::{Applied, Failure, Subscription};

use crate::domain::order::OrderError;
use crate::flows::reconcile_order::reconcile_order;
use crate::state::AppState;

/// How long an event that is early by our clock is put off at most. If ours is the wrong one, another
/// instance should be asked soon.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::to(move |event| handle(state.clone(), event))
}

async fn handle(state: AppState, event: Envelope<ExpirationState>) -> Result<Applied, Failure> {
    // One reading of the clock decides and says how long to wait: with two, an order could be early
    // by the first and due by the second, and be told to wait for a moment that has passed.
    let now = state.clock.now();
    let id = event.data.order_id;
    loop {
        // What is known counts first: an authorisation that arrived in time has won.
        let Some(order) = reconcile_order(&state, id).await? else {
            // A read just after an election may not show it yet.
            if state.orders.get_linearizable(id).await?.is_some() {
                continue;
            }
            return Err(Failure::Reject(format!("there is no order {id}")));
        };
        let (next, change) = match order.state.clone().expire(now) {
            Ok(step) => step,
            Err(OrderError::NotDue(wait)) => {
                let cause = Error::NotReady(Rejection::new("order-not-due", "The hold has not ended by our clock."));
                return Err(Failure::Retry { after: Some(wait.min(LOOK_AGAIN)), cause });
            }
            // Paid or closed before its time came.
            Err(_) => return Ok(Applied::Stale),
        };
        match state.orders.save(&order, next, change).await {
            Ok(_) => {
                reconcile_order(&state, id).await?;
                return Ok(Applied::Applied);
            }
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
