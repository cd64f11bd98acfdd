//! Gauges of orders that take too long, in seconds; 0 when there is none.

use platform::store::error::StoreError;

use crate::state::AppState;
use crate::store;

/// How long ago the oldest authorised order was authorised; it should have been completed soon after.
pub async fn oldest_authorized(state: AppState) -> Result<f64, StoreError> {
    let oldest = store::oldest_authorized(&state.orders).await?;
    Ok(oldest.map_or(0.0, |order| state.clock.now().since(order.updated_at).as_secs_f64()))
}

/// How long ago the hold of the most overdue unpaid order ended.
pub async fn oldest_overdue(state: AppState) -> Result<f64, StoreError> {
    let now = state.clock.now();
    let oldest = store::oldest_overdue(&state.orders, now).await?;
    Ok(oldest.map_or(0.0, |order| now.since(order.expires_at).as_secs_f64()))
}
