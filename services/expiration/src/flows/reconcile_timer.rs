//! Brings a timer in agreement with its order, one step at a time.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::OrderId;
use common::timestamp::Timestamp;
use platform::reconcile::{Progress, Reconcile, until_settled};
use platform::store::error::StoreError;

use crate::domain::reconcile::{self, Step};
use crate::domain::timer::Timer;
use crate::state::AppState;

/// Steps until nothing is left to do; the timer as it then is, if its order is known.
pub async fn reconcile_timer(state: &AppState, id: OrderId) -> Result<Option<Versioned<Timer>>, Error> {
    let (timer, _) = until_settled(&OneTimer { state, id }).await?;
    Ok(timer)
}

struct OneTimer<'a> {
    state: &'a AppState,
    id: OrderId,
}

impl Reconcile for OneTimer<'_> {
    type View = (Option<Versioned<Timer>>, Option<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        let order = self.state.orders.get(self.id).await?;
        Ok((self.state.timers.get(self.id).await?, order))
    }

    async fn step(&self, (timer, order): &Self::View) -> Result<Progress, Error> {
        let Some(order) = order else { return Ok(Progress::Settled) };
        step(self.state, timer.as_ref(), order, self.state.clock.now()).await
    }
}

/// Moves one timer at most one step, by compare-and-swap.
pub(super) async fn step(
    state: &AppState,
    timer: Option<&Versioned<Timer>>,
    order: &OrderState,
    now: Timestamp,
) -> Result<Progress, Error> {
    let Some(step) = reconcile::next(timer.map(|timer| &timer.state), order, now) else { return Ok(Progress::Settled) };
    let written = match (step.map_err(Error::internal)?, timer) {
        (Step::Fire(next, change), Some(timer)) => {
            let late = now.since(next.expires_at);
            let written = state.timers.save(timer, next, change).await;
            if written.is_ok() {
                metrics::histogram!("timer_lateness_seconds").record(late.as_secs_f64());
            }
            written
        }
        (Step::Set(next) | Step::Change(next), Some(timer)) => state.timers.save_without_event(timer, next).await,
        (Step::Set(next) | Step::Change(next) | Step::Fire(next, _), None) => {
            state.timers.insert_without_event(next).await
        }
    };
    match written {
        // Another instance was faster, or another event of the same order here.
        Ok(_) | Err(StoreError::Stale | StoreError::Duplicate(_)) => Ok(Progress::Changed),
        Err(error) => Err(error.into()),
    }
}
