//! A timer fired: the order expires if it is still unpaid.

use std::time::Duration;

use common::error::{Error, Rejection};
use common::events::expiration::ExpirationState;
use platform::reconcile::Current;
use platform::store::error::StoreError;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::domain::order::OrderError;
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;

/// Maximum delay before the redelivery of an event that is early by this instance's clock. Short, because this clock
/// may be the incorrect one, and the redelivery may reach another instance.
const MAX_EARLY_DELAY: Duration = Duration::from_secs(1);

pub(super) async fn handle(state: AppState, delivery: Delivery<ExpirationState>) -> Result<Applied, Failure> {
    // Read the clock once. With two reads, an order could be early by the first and due by the second, and the
    // delay until then would be zero.
    let now = state.clock.now();
    let id = delivery.event.data.order_id;
    loop {
        // Reconcile first: an authorisation that was received in time takes precedence.
        let Some(order) = reconcile_order(&state, id, Current::Unread, Seen::default()).await? else {
            // Just after an election of a MongoDB primary, the read may not see the order yet.
            if state.orders.get_confirming_absence(id).await?.is_some() {
                continue;
            }
            return Err(Failure::Reject(format!("there is no order {id}")));
        };
        let (next, change) = match order.state.clone().expire(now) {
            Ok(transition) => transition,
            Err(OrderError::NotDue(wait)) => {
                let cause = Error::NotReady(Rejection::new(
                    "order-not-due",
                    "The hold has not ended by this instance's clock.",
                ));
                return Err(Failure::Retry { after: Some(wait.min(MAX_EARLY_DELAY)), cause });
            }
            // Authorised, completed or cancelled before the hold ended.
            Err(_) => return Ok(Applied::Stale),
        };
        match state.orders.save(&order, next, change).await {
            Ok(expired) => {
                reconcile_order(&state, id, Current::from(expired), Seen::default()).await?;
                return Ok(Applied::Applied);
            }
            Err(StoreError::VersionConflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
