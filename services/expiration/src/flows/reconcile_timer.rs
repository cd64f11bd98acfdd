//! Reconciles a timer with its order.

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

/// Makes steps until nothing changes. Returns the timer, if its order is known.
pub(crate) async fn reconcile_timer(state: &AppState, id: OrderId) -> Result<Option<Versioned<Timer>>, Error> {
    let (timer, _) = until_settled(&TimerReconciler { state, id }).await?;
    Ok(timer)
}

struct TimerReconciler<'a> {
    state: &'a AppState,
    id: OrderId,
}

impl Reconcile for TimerReconciler<'_> {
    type View = (Option<Versioned<Timer>>, Option<Versioned<OrderState>>);

    async fn load(&self) -> Result<Self::View, Error> {
        let order = self.state.orders.get(self.id).await?;
        Ok((self.state.timers.get(self.id).await?, order))
    }

    async fn step(&self, (timer, order): &Self::View) -> Result<Progress, Error> {
        let Some(order) = order else { return Ok(Progress::Settled) };
        reconcile_step(self.state, timer.as_ref(), order, self.state.clock.now()).await
    }
}

/// Makes at most one step of a timer, by compare-and-swap.
pub(super) async fn reconcile_step(
    state: &AppState,
    timer: Option<&Versioned<Timer>>,
    order: &OrderState,
    now: Timestamp,
) -> Result<Progress, Error> {
    let Some(step) = reconcile::next_step(timer.map(|timer| &timer.state), order, now) else {
        return Ok(Progress::Settled);
    };
    let written = match (step.map_err(Error::internal)?, timer) {
        (Step::Fire(next, change), Some(timer)) => {
            let late = now.since(next.expires_at);
            let written = state.timers.save(timer, next, change).await;
            if written.is_ok() {
                metrics::histogram!("timer_lateness_seconds").record(late.as_secs_f64());
            }
            written
        }
        (Step::Create(next) | Step::Update(next), Some(timer)) => state.timers.save_without_event(timer, next).await,
        // Only Create occurs without a timer, and never with one.
        (Step::Create(next) | Step::Update(next) | Step::Fire(next, _), None) => {
            state.timers.insert_without_event(next).await
        }
    };
    match written {
        // Another instance, or another event of the same order, was first.
        Ok(_) | Err(StoreError::VersionConflict | StoreError::Duplicate(_)) => Ok(Progress::Changed),
        Err(error) => Err(error.into()),
    }
}
