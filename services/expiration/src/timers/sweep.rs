//! Fires what is due in MongoDB at a steady pace, whatever Redis does.

use std::time::Duration;

use platform::lifecycle::{self, Backoff};
use platform::telemetry;

use crate::flows::fire_due::fire_due;
use crate::state::AppState;

/// Sweeps until the service ends.
pub async fn run(state: AppState, interval: Duration) {
    let (mut backoff, mut pause) = (Backoff::default(), lifecycle::jittered(interval));
    while state.tasks.sleep_unless_stopping(pause).await {
        // Also where sweeps are rare, a hold does not end late because one of them failed.
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
                tracing::warn!(error = telemetry::causes(&error), source, "the timers could not be swept");
                backoff.next_delay()
            }
        };
    }
}
