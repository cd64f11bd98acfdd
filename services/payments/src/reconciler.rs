//! Picks up payments that rest too long: an answer was lost, a webhook never came, a call failed.

use common::error::Error;
use futures::{StreamExt, stream};
use platform::lifecycle::{self, Tasks};
use platform::store::page::{Page, PageRequest};

use crate::flows::look_up_payment::look_up_payment;
use crate::state::State;
use crate::store;

/// How many payments are read at once.
const PAGE: i64 = 100;
/// How many are looked up at once: the network limits how much we may ask, and who pays comes first.
const CONCURRENCY: usize = 4;

/// Runs until the service ends, on every instance: doing it twice is harmless.
pub async fn run(state: State, tasks: Tasks) {
    let pause = state.rules.reconcile_after / 2;
    while tasks.pause(lifecycle::jittered(pause)).await {
        if let Err(error) = round(&state, &tasks).await {
            tracing::warn!(error = %error, "payments could not be reconciled");
        }
    }
}

/// Looks up every payment that has rested too long; how many. One that fails, or goes on resting, does not
/// keep the others waiting.
pub async fn round(state: &State, tasks: &Tasks) -> Result<usize, Error> {
    let (now, rest) = (state.clock.now(), state.rules.reconcile_after);
    let mut page = PageRequest { limit: PAGE, before: None };
    let mut count = 0;
    loop {
        let Page { items, next_cursor } = store::resting(&state.payments, now, rest, &page).await?;
        count += items.len();
        stream::iter(&items)
            .for_each_concurrent(CONCURRENCY, async |payment| {
                if !tasks.stop().is_cancelled()
                    && let Err(error) = look_up_payment(state, payment).await
                {
                    metrics::counter!("payment_reconcile_failures_total").increment(1);
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(payment.id = %payment.id, error = %error, cause, "a payment could not be reconciled");
                }
            })
            .await;
        page.before = items.last().filter(|_| next_cursor.is_some()).map(|last| last.id.as_uuid());
        if page.before.is_none() || tasks.stop().is_cancelled() {
            return Ok(count);
        }
    }
}
