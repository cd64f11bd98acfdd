//! Fires all due timers: after a wake-up, and in each sweep, the periodic search in MongoDB.

use common::error::Error;
use platform::store::bulk::BulkChange;

use crate::state::AppState;
use crate::store;

/// Maximum number of timers that one query reads and one bulk write saves.
const BATCH: u32 = 250;
/// After a full batch, the next query skips at most this many batches, chosen at random.
const MAX_SKIPPED_BATCHES: u32 = 7;

/// Repeats until no timer is due or the service stops. Returns the number of due timers, including those that another
/// instance fired first.
pub async fn fire_due(state: &AppState) -> Result<usize, Error> {
    let _guard = state.fire_lock.lock().await;
    let (mut count, mut skip) = (0, 0);
    while !state.tasks.stop_token().is_cancelled() {
        // Read the clock once, so that the timers that are selected as due are also due when they are fired.
        let now = state.clock.now();
        let due = store::due(&state.timers, now, skip.into(), BATCH.into()).await?;
        if due.is_empty() && skip == 0 {
            break;
        }
        let is_full = due.len() == BATCH as usize;
        count += due.len();
        let mut to_fire = Vec::with_capacity(due.len());
        for timer in &due {
            let (next, change) = timer.state.clone().fire(now).map_err(Error::internal)?;
            metrics::histogram!("timer_lateness_seconds").record(now.since(next.expires_at).as_secs_f64());
            to_fire.push(BulkChange { current: timer, next, change });
        }
        state.timers.save_all(to_fire).await?;
        // Under load the other instances fire timers too; with the same batch, each would lose most compare-and-swaps.
        skip = if is_full { BATCH * rand::random_range(0..=MAX_SKIPPED_BATCHES) } else { 0 };
    }
    Ok(count)
}
