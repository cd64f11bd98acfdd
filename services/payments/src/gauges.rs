//! Gauges of payments that take too long.

use platform::store::error::StoreError;

use crate::state::AppState;
use crate::store;

/// How many seconds ago the least recently changed payment that is not final or has an open refund has changed; 0 when
/// there is none.
pub async fn oldest_unsettled(state: AppState) -> Result<f64, StoreError> {
    let oldest = store::oldest_unsettled(&state.payments).await?;
    Ok(oldest.map_or(0.0, |payment| state.clock.now().since(payment.updated_at).as_secs_f64()))
}
