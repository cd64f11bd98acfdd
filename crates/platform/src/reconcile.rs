//! The reconcile loop, used by event handlers, requests, catch-ups and sweeps.
//!
//! # Why
//! A handler that considers only its own event breaks when events are reordered. Instead: load the aggregate and all
//! replicas that refer to it, take one step, and stop only when that changed nothing and a second read is the same.

use std::future::Future;

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use common::error::Error;

use crate::store::Store;
use crate::store::error::StoreError;

/// Far more steps than any aggregate needs. Reaching it means that two rules undo each other.
const MAX_STEPS: usize = 64;

/// The outcome of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something changed, or the compare-and-swap was lost: load again.
    Changed,
    /// There is nothing to do.
    Settled,
}

/// An aggregate and the data that it must agree with.
pub trait Reconcile: Sync {
    /// The aggregate and the replicas, as they were read.
    type View: PartialEq + Send + Sync;
    /// Reads everything.
    fn load(&self) -> impl Future<Output = Result<Self::View, Error>> + Send;
    /// Takes at most one step, by compare-and-swap.
    fn step(&self, view: &Self::View) -> impl Future<Output = Result<Progress, Error>> + Send;
}

/// Saves one step of an aggregate. A lost compare-and-swap is [`Progress::Changed`] too.
pub async fn advance<A: Aggregate>(
    store: &Store<A>,
    current: &Versioned<A>,
    (next, change): (A, ChangeOf<A>),
) -> Result<Progress, Error> {
    match store.save(current, next, change).await {
        Ok(_) | Err(StoreError::VersionConflict) => Ok(Progress::Changed),
        Err(error) => Err(error.into()),
    }
}

/// Repeats the step until it changes nothing and a second read returns the same data.
pub async fn until_settled<R: Reconcile>(subject: &R) -> Result<R::View, Error> {
    let mut view = subject.load().await?;
    for _ in 0..MAX_STEPS {
        let progress = subject.step(&view).await?;
        let reloaded = subject.load().await?;
        if progress == Progress::Settled && reloaded == view {
            return Ok(view);
        }
        view = reloaded;
    }
    Err(Error::internal_message("reconcile does not settle"))
}
