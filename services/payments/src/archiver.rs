//! The task that archives payments that were declined long ago.

use std::time::Duration;

use platform::lifecycle::{self, Tasks};
use platform::telemetry;

use crate::state::AppState;

/// Runs on every instance until the service stops; concurrent runs are harmless.
pub async fn run(state: AppState, tasks: Tasks, interval: Duration) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        while !tasks.stop().is_cancelled() {
            match state.declined_archive.archive_batch(state.clock.now()).await {
                Ok(0) => break,
                Ok(count) => tracing::info!(count, "archived declined payments"),
                Err(error) => {
                    tracing::warn!(error = telemetry::causes(&error), "declined payments could not be archived");
                    break;
                }
            }
        }
    }
}
