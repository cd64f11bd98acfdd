//! Fires every timer whose moment has come: after a wake-up, and in each sweep.

use std::collections::HashMap;

use common::error::Error;
use futures::{StreamExt, TryStreamExt, stream};
use platform::store::bulk::BulkChange;

use super::reconcile_timer::step;
use crate::domain::reconcile::{self, Step};
use crate::state::AppState;
use crate::store;

/// How many timers are read at once, and fired in one request.
const BATCH: u32 = 250;
/// How many of those that do not fire are written at once.
const CONCURRENCY: usize = 32;
/// Among how many batches the next one is chosen while there are so many.
const SPREAD: u32 = 8;

/// Goes on until none is due, or the service ends; how many were due.
pub async fn fire_due(state: &AppState) -> Result<usize, Error> {
    let _firing = state.firing.lock().await;
    let (mut count, mut skip) = (0, 0);
    while !state.tasks.stop().is_cancelled() {
        // One reading of the clock decides what is due and fires it.
        let now = state.clock.now();
        let due = store::due(&state.timers, now, skip.into(), BATCH.into()).await?;
        if due.is_empty() && skip == 0 {
            break;
        }
        let is_full = due.len() == BATCH as usize;
        let orders = store::orders_of(&state.orders, &due).await?;
        let orders: HashMap<_, _> = orders.iter().map(|order| (order.id, &order.state)).collect();
        count += due.len();
        let (mut firing, mut others) = (Vec::with_capacity(due.len()), Vec::new());
        for timer in &due {
            let Some(order) = orders.get(&timer.order_id) else { continue };
            match reconcile::next(Some(timer), order, now) {
                Some(Ok(Step::Fire(next, change))) => firing.push(BulkChange { current: timer, next, change }),
                _ => others.push(step(state, Some(timer), order, now)),
            }
        }
        // Replicas are written before timers and never removed, so every timer has its order. Should
        // none have one, they would come back in each batch: the round ends instead of turning for ever.
        if firing.is_empty() && others.is_empty() && !due.is_empty() {
            return Err(Error::internal_message(format!("{} timers are due whose orders are not known", due.len())));
        }
        for BulkChange { next, .. } in &firing {
            metrics::histogram!("timer_lateness_seconds").record(now.since(next.expires_at).as_secs_f64());
        }
        state.timers.save_all(firing).await?;
        stream::iter(others).buffer_unordered(CONCURRENCY).try_for_each(async |_| Ok(())).await?;
        // With so many, the other instances are at it too, and one that took the same would do it in vain.
        skip = if is_full { BATCH * rand::random_range(0..SPREAD) } else { 0 };
    }
    Ok(count)
}
