//! The sweep: searches MongoDB periodically for due timers and fires them, independent of Redis.

use std::time::Duration;

use platform::lifecycle::{self, Backoff};
use platform::telemetry;

use crate::flows::fire_due::fire_due;
use crate::state::AppState;

/// Sweeps until the service stops.
pub(crate) async fn run(state: AppState, interval: Duration) {
    let (mut backoff, mut pause) = (Backoff::default(), lifecycle::jittered(interval));
    while state.tasks.sleep_unless_stopping(pause).await {
        // A failed sweep is repeated after a back-off instead of the interval, which may be long.
        pause = match fire_due(&state).await {
            Ok(count) => {
                backoff.reset();
                if count > 0 {
                    metrics::counter!("due_timers_found_total", "found_by" => "sweep").increment(count as u64);
                    tracing::debug!(count, "the sweep found due timers");
                }
                lifecycle::jittered(interval)
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(error = telemetry::causes(&error), source, "sweep of due timers failed");
                backoff.next_delay()
            }
        };
    }
}
