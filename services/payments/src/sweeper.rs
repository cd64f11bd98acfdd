//! Compares what the provider has with what the payments know of, again and again.

use platform::lifecycle::{self, Tasks};
use platform::telemetry;

use crate::flows::settle_orphans::sweep;
use crate::state::AppState;

/// Runs until the service ends, on every instance: doing it twice is harmless.
pub async fn run(state: AppState, tasks: Tasks) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(state.config.provider_sweep_interval)).await {
        match sweep(&state).await {
            // An intent of another shop that shares the account, or of what a restore has forgotten.
            #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
            Ok(unknown) => metrics::gauge!("payment_intents_unknown").set(unknown as f64),
            Err(error) => {
                tracing::warn!(error = telemetry::causes(&error), "the provider's intents could not be compared");
            }
        }
    }
}
