//! The task that archives payments that were declined long ago.

use std::time::Duration;

use platform::context::Context;
use platform::lifecycle::{self, Tasks};
use platform::outbox::turns::Turns;
use platform::store::error::StoreError;
use platform::telemetry;

use crate::state::AppState;

/// Archives payments periodically until the service stops. Every instance runs this task, but only one of them archives
/// in each interval.
pub async fn run(state: AppState, context: Context) {
    let (tasks, turns, interval) = (&context.tasks, context.turns(), context.config.cleanup_interval);
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        if let Err(error) = run_round(&state, tasks, &turns, interval).await {
            tracing::warn!(error = telemetry::causes(&error), "declined payments could not be archived");
        }
    }
}

async fn run_round(state: &AppState, tasks: &Tasks, turns: &Turns, interval: Duration) -> Result<(), StoreError> {
    if !turns.take_round("archive declined payments", state.clock.now(), interval).await? {
        return Ok(());
    }
    while !tasks.stop_token().is_cancelled() {
        match state.declined_archive.archive_batch(state.clock.now()).await? {
            0 => break,
            count => tracing::info!(count, "archived declined payments"),
        }
    }
    Ok(())
}
