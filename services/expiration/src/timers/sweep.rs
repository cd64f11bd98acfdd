//! Fires what is due in MongoDB at a steady pace, whatever Redis does.

use std::time::Duration;

use platform::lifecycle;
use platform::telemetry;

use crate::flows::fire_due::fire_due;
use crate::state::State;

/// Sweeps until the service ends.
pub async fn run(state: State, interval: Duration) {
    let mut failures = 0_u32;
    loop {
        let pause = if failures == 0 { lifecycle::jittered(interval) } else { lifecycle::backoff(failures) };
        if !state.tasks.pause(pause).await {
            return;
        }
        match fire_due(&state).await {
            Ok(count) => {
                failures = 0;
                if count > 0 {
                    metrics::counter!("timers_due_total", "found_by" => "sweep").increment(count as u64);
                    tracing::debug!(count, "the sweep found due timers");
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(error = telemetry::causes(&error), source, "the timers could not be swept");
            }
        }
    }
}
