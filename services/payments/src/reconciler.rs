//! Picks up payments that rest too long: an answer was lost, a webhook never came, a call failed.

use platform::lifecycle::{self, Tasks};

use crate::flows::look_up_payment::look_up_payment;
use crate::state::State;
use crate::store;

/// How many payments one round takes.
const ROUND: i64 = 100;

/// Runs until the service ends, on every instance: doing it twice is harmless.
pub async fn run(state: State, tasks: Tasks) {
    let pause = state.rules.reconcile_after / 2;
    while tasks.pause(lifecycle::jittered(pause)).await {
        if let Err(error) = round(&state, &tasks).await {
            tracing::warn!(error = %error, "payments could not be reconciled");
        }
    }
}

/// Looks up every payment that has rested too long. One that fails does not keep the others waiting.
pub async fn round(state: &State, tasks: &Tasks) -> Result<usize, common::error::Error> {
    let before = state.clock.now().minus(state.rules.reconcile_after);
    let resting = store::resting(&state.payments, before, ROUND).await?;
    for payment in &resting {
        if tasks.stop().is_cancelled() {
            break;
        }
        if let Err(error) = look_up_payment(state, payment).await {
            metrics_failure();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(payment.id = %payment.id, error = %error, cause, "a payment could not be reconciled");
        }
    }
    Ok(resting.len())
}

fn metrics_failure() {
    metrics::counter!("payment_reconcile_failures_total").increment(1);
}
