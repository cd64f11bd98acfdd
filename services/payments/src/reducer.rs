//! Reduces payments that were declined long ago to what may still be asked about.

use std::time::Duration;

use platform::lifecycle::{self, Tasks};
use platform::telemetry;

use crate::state::AppState;

/// Runs until the service ends, on every instance: doing it twice is harmless.
pub async fn run(state: AppState, tasks: Tasks, interval: Duration) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        loop {
            match state.retention.reduce(state.clock.now()).await {
                Ok(0) => break,
                Ok(count) => tracing::info!(count, "reduced payments that were declined long ago"),
                Err(error) => {
                    tracing::warn!(error = telemetry::causes(&error), "declined payments could not be reduced");
                    break;
                }
            }
            if tasks.stop().is_cancelled() {
                return;
            }
        }
    }
}
