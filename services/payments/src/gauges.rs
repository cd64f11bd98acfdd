//! Gauges of payments that take too long.

use platform::store::error::StoreError;

use crate::state::AppState;
use crate::store;

/// Seconds since the last change of the payment that has been unchanged for the longest, of those that are not final or
/// have an open refund; 0 when there is none.
pub async fn oldest_unsettled(state: AppState) -> Result<f64, StoreError> {
    let oldest = store::oldest_unsettled(&state.payments).await?;
    Ok(oldest.map_or(0.0, |payment| state.clock.now().since(payment.updated_at).as_secs_f64()))
}
