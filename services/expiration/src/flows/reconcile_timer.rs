//! Reconciles a timer with what an event says about its order.

use std::sync::atomic::{AtomicBool, Ordering};

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderState;
use platform::reconcile::{Current, Progress, Reconcile, until_unchanged};
use platform::store::error::StoreError;
use platform::stream::subscription::Applied;

use crate::domain::reconcile::{self, Step};
use crate::domain::timer::Timer;
use crate::state::AppState;

/// The outcome of [`reconcile_timer`].
pub(crate) struct Reconciled {
    /// The timer.
    pub(crate) timer: Option<Versioned<Timer>>,
    /// Whether a step was made.
    pub(crate) applied: Applied,
}

/// Makes steps until nothing changes. `is_snapshot` tells whether the event is a snapshot, which shows the present
/// state of the order, and `known` is the timer that the caller has already read.
pub(crate) async fn reconcile_timer(
    state: &AppState,
    order: &OrderState,
    is_snapshot: bool,
    known: Current<Timer>,
) -> Result<Reconciled, Error> {
    let reconciler = ReconcileTimer { state, order, is_snapshot, has_changed: AtomicBool::new(false) };
    let timer = until_unchanged(&reconciler, known, ()).await?;
    let has_changed = reconciler.has_changed.into_inner();
    Ok(Reconciled { timer, applied: if has_changed { Applied::Applied } else { Applied::Stale } })
}

/// Reconciles without replicas: the timer itself records what matters of its order. See [`reconcile`].
struct ReconcileTimer<'a> {
    state: &'a AppState,
    order: &'a OrderState,
    is_snapshot: bool,
    has_changed: AtomicBool,
}

impl Reconcile for ReconcileTimer<'_> {
    type Aggregate = Timer;
    type Seen = ();
    type Replicas = ();

    async fn load_aggregate(&self) -> Result<Option<Versioned<Timer>>, Error> {
        Ok(self.state.timers.get(self.order.id).await?)
    }

    async fn load_replicas(&self, _: Option<&Versioned<Timer>>, (): ()) -> Result<(), Error> {
        Ok(())
    }

    async fn step(&self, timer: Option<&Versioned<Timer>>, (): &()) -> Result<Progress<Timer>, Error> {
        let (timers, now) = (&self.state.timers, self.state.clock.now());
        let timer_state = timer.map(|timer| &timer.state);
        let Some(step) = reconcile::next_step(timer_state, self.order, self.is_snapshot, now) else {
            return Ok(Progress::Unchanged);
        };
        let written = match (step.map_err(Error::internal)?, timer) {
            (Step::Fire(next, change), Some(timer)) => {
                let late = now.since(next.expires_at);
                let written = timers.save(timer, next, change).await;
                if written.is_ok() {
                    metrics::histogram!("timer_lateness_seconds").record(late.as_secs_f64());
                }
                written
            }
            (Step::Update(next), Some(timer)) => timers.save_without_event(timer, next).await,
            (Step::Create(next), None) => timers.insert_without_event(next).await,
            (Step::Create(_), Some(_)) | (Step::Update(_) | Step::Fire(..), None) => {
                return Err(Error::internal_message("only a timer that does not exist can be created"));
            }
        };
        match written {
            Ok(written) => {
                self.has_changed.store(true, Ordering::Relaxed);
                Ok(Progress::Saved(written))
            }
            // Another instance, or another event of the same order, has written the timer first.
            Err(StoreError::VersionConflict | StoreError::Duplicate(_)) => Ok(Progress::Lost),
            Err(error) => Err(error.into()),
        }
    }
}
