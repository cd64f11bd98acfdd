//! Fires all due timers: after a wake-up, and in each sweep.

use std::collections::HashMap;

use common::error::Error;
use futures::{StreamExt, TryStreamExt, stream};
use platform::store::bulk::BulkChange;

use super::reconcile_timer::reconcile_step;
use crate::domain::reconcile::{self, Step};
use crate::state::AppState;
use crate::store;

/// Maximum number of timers that one query reads and one bulk write saves.
const BATCH: u32 = 250;
/// Maximum number of concurrent writes of timers that don't fire.
const CONCURRENCY: usize = 32;
/// After a full batch, the next query skips at most this many batches, chosen at random.
const MAX_SKIPPED_BATCHES: u32 = 7;

/// Repeats until no timer is due or the service stops. Returns the number of due timers, including those that another
/// instance fired first.
pub async fn fire_due(state: &AppState) -> Result<usize, Error> {
    let _guard = state.fire_lock.lock().await;
    let (mut count, mut skip) = (0, 0);
    while !state.tasks.stop().is_cancelled() {
        // Read the clock once, so that the timers that are selected as due are also due when they are fired.
        let now = state.clock.now();
        let due = store::due(&state.timers, now, skip.into(), BATCH.into()).await?;
        if due.is_empty() && skip == 0 {
            break;
        }
        let is_full = due.len() == BATCH as usize;
        let orders = store::orders_of(&state.orders, &due).await?;
        let orders: HashMap<_, _> = orders.iter().map(|order| (order.id, &order.state)).collect();
        count += due.len();
        let (mut to_fire, mut others) = (Vec::with_capacity(due.len()), Vec::new());
        for timer in &due {
            let Some(order) = orders.get(&timer.order_id) else { continue };
            match reconcile::next_step(Some(timer), order, now) {
                Some(Ok(Step::Fire(next, change))) => to_fire.push(BulkChange { current: timer, next, change }),
                _ => others.push(reconcile_step(state, Some(timer), order, now)),
            }
        }
        // Replicas are written before timers and never removed, so every timer has its order. If none had one, every
        // further query would return the same batch: fail instead of looping forever.
        if to_fire.is_empty() && others.is_empty() && !due.is_empty() {
            return Err(Error::internal_message(format!("{} due timers have no known order", due.len())));
        }
        for BulkChange { next, .. } in &to_fire {
            metrics::histogram!("timer_lateness_seconds").record(now.since(next.expires_at).as_secs_f64());
        }
        state.timers.save_all(to_fire).await?;
        stream::iter(others).buffer_unordered(CONCURRENCY).try_for_each(async |_| Ok(())).await?;
        // Under load the other instances fire timers too; with the same batch, each would lose most compare-and-swaps.
        skip = if is_full { BATCH * rand::random_range(0..=MAX_SKIPPED_BATCHES) } else { 0 };
    }
    Ok(count)
}
