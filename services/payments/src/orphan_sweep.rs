//! The task that periodically compares the provider's intents with the payments.

use platform::lifecycle::{self, Tasks};
use platform::telemetry;

use crate::flows::resolve_orphans::sweep;
use crate::state::AppState;

/// Runs on every instance until the service stops; concurrent runs are harmless.
pub async fn run(state: AppState, tasks: Tasks) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(state.config.provider_sweep_interval)).await {
        match sweep(&state).await {
            // Intents without a payment: another shop shares the provider's account, or a restore has lost the
            // payments.
            #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
            Ok(unknown) => metrics::gauge!("payment_intents_unknown").set(unknown as f64),
            Err(error) => {
                tracing::warn!(
                    error = telemetry::causes(&error),
                    "the provider's intents could not be compared with the payments"
                );
            }
        }
    }
}
