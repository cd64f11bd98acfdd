//! Reconciles a timer with its order.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use common::id::OrderId;
use common::timestamp::Timestamp;
use platform::reconcile::{Own, Progress, Reconcile, until_settled};
use platform::store::error::StoreError;

use crate::domain::reconcile::{self, Step};
use crate::domain::timer::{Status, Timer};
use crate::state::AppState;

/// Makes steps until nothing changes. Returns the timer, if its order is known. `seen` is the order that an event has
/// just brought.
pub(crate) async fn reconcile_timer(
    state: &AppState,
    id: OrderId,
    own: Own<Timer>,
    seen: Option<Versioned<OrderState>>,
) -> Result<Option<Versioned<Timer>>, Error> {
    until_settled(&TimerReconciler { state, id }, own, seen).await
}

struct TimerReconciler<'a> {
    state: &'a AppState,
    id: OrderId,
}

impl Reconcile for TimerReconciler<'_> {
    type Aggregate = Timer;
    type Seen = Option<Versioned<OrderState>>;
    type Replicas = Option<Versioned<OrderState>>;

    async fn load_own(&self) -> Result<Option<Versioned<Timer>>, Error> {
        Ok(self.state.timers.get(self.id).await?)
    }

    async fn load_replicas(&self, timer: Option<&Versioned<Timer>>, seen: Self::Seen) -> Result<Self::Replicas, Error> {
        match seen {
            None if timer.is_none_or(|timer| timer.status == Status::Pending) => {
                Ok(self.state.orders.get(self.id).await?)
            }
            seen => Ok(seen),
        }
    }

    async fn step(&self, timer: Option<&Versioned<Timer>>, order: &Self::Replicas) -> Result<Progress<Timer>, Error> {
        let Some(order) = order else { return Ok(Progress::Settled) };
        reconcile_step(self.state, timer, order, self.state.clock.now()).await
    }
}

/// Makes at most one step of a timer, by compare-and-swap.
pub(super) async fn reconcile_step(
    state: &AppState,
    timer: Option<&Versioned<Timer>>,
    order: &OrderState,
    now: Timestamp,
) -> Result<Progress<Timer>, Error> {
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
        Ok(written) => Ok(Progress::Saved(written)),
        // Another instance, or another event of the same order, was first.
        Err(StoreError::VersionConflict | StoreError::Duplicate(_)) => Ok(Progress::Lost),
        Err(error) => Err(error.into()),
    }
}
