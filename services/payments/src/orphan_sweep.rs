//! The task that periodically compares the provider's intents with the payments.

use std::time::Duration;

use common::error::Error;
use platform::context::Context;
use platform::lifecycle;
use platform::outbox::turns::Turns;
use platform::telemetry;

use crate::flows::resolve_orphans::sweep;
use crate::state::AppState;

/// Runs on every instance until the service stops. Only one of them does each round, so that the provider is queried
/// once.
pub async fn run(state: AppState, context: Context) {
    let (turns, mut skipped) = (context.turns(), 0);
    let interval = state.config.provider_sweep_interval;
    while context.tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        match run_round(&state, &turns, interval).await {
            // Intents without a payment: another shop shares the provider's account, or a restore has lost the
            // payments.
            Ok(Some(unknown)) => {
                skipped = 0;
                set_unknown(unknown);
            }
            Ok(None) => {
                skipped += 1;
                // Instances often alternate, so one skipped round is usual. After two, others report newer counts, and
                // the alert takes the maximum.
                if skipped > 1 {
                    set_unknown(0);
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = telemetry::causes(&error),
                    "the provider's intents could not be compared with the payments"
                );
            }
        }
    }
}

/// Takes and does a round. Returns the number of intents without any payment; `None` if another instance does it.
async fn run_round(state: &AppState, turns: &Turns, interval: Duration) -> Result<Option<usize>, Error> {
    if !turns.take_round("sweep provider", state.clock.now(), interval).await? {
        return Ok(None);
    }
    sweep(state).await.map(Some)
}

#[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
fn set_unknown(intents: usize) {
    metrics::gauge!("payment_intents_unknown").set(intents as f64);
}
