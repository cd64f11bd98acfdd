//! Fires every timer whose moment has come: after a wake-up, and in each sweep.

use common::error::Error;
use futures::{StreamExt, TryStreamExt, stream};

use super::reconcile_timer::step;
use crate::state::State;
use crate::store;

/// How many timers are read at once.
const BATCH: i64 = 500;
/// How many of them are written at once.
const CONCURRENCY: usize = 32;

/// Goes on until none is due, or the service ends; how many were due.
pub async fn fire_due(state: &State) -> Result<usize, Error> {
    let _firing = state.firing.lock().await;
    let mut count = 0;
    while !state.tasks.stop().is_cancelled() {
        // One reading of the clock decides what is due and fires it.
        let now = state.clock.now();
        let due = store::due(&state.timers, now, BATCH).await?;
        if due.is_empty() {
            break;
        }
        let orders = store::orders_of(&state.orders, &due).await?;
        count += due.len();
        let mut steps = Vec::with_capacity(due.len());
        for timer in &due {
            if let Some(order) = orders.iter().find(|order| order.id == timer.order_id) {
                steps.push(step(state, Some(timer), order, now));
            }
        }
        // Replicas are written before timers and never removed, so every timer has its order. Should
        // none have one, they would come back in each batch: the round ends instead of turning for ever.
        if steps.is_empty() {
            return Err(Error::internal_message(format!("{} timers are due whose orders are not known", due.len())));
        }
        stream::iter(steps).buffer_unordered(CONCURRENCY).try_for_each(async |_| Ok(())).await?;
    }
    Ok(count)
}
