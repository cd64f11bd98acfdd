//! The loop that every handler, request, catch-up and sweep ends in.
//!
//! # Why
//! A handler that looks only at its own event breaks under reordering. So: load the own aggregate
//! and all replicas that refer to it, move one step, and stop only when a pass changed nothing and
//! what it read is still what is there.

use std::future::Future;

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use common::error::Error;

use crate::store::Store;
use crate::store::error::StoreError;

/// Far more steps than any aggregate has; reaching it means that two rules undo each other.
const BOUND: usize = 64;

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something changed, or somebody else was faster: look again.
    Changed,
    /// Nothing to do.
    Settled,
}

/// One aggregate with all that it must agree with.
pub trait Reconcile: Sync {
    /// The aggregate and the replicas, as they were read.
    type View: PartialEq + Send + Sync;
    /// Reads everything.
    fn load(&self) -> impl Future<Output = Result<Self::View, Error>> + Send;
    /// Moves the aggregate at most one step, by compare-and-swap.
    fn step(&self, view: &Self::View) -> impl Future<Output = Result<Progress, Error>> + Send;
}

/// Saves one step of an aggregate. [`Progress::Changed`] also when somebody else was faster: the caller looks again.
pub async fn advance<A: Aggregate>(
    store: &Store<A>,
    current: &Versioned<A>,
    (next, change): (A, ChangeOf<A>),
) -> Result<Progress, Error> {
    match store.save(current, next, change).await {
        Ok(_) | Err(StoreError::Stale) => Ok(Progress::Changed),
        Err(error) => Err(error.into()),
    }
}

/// Repeats the step until a pass changes nothing and reading again finds the same.
pub async fn until_settled<R: Reconcile>(subject: &R) -> Result<R::View, Error> {
    let mut view = subject.load().await?;
    for _ in 0..BOUND {
        let pass = subject.step(&view).await?;
        let again = subject.load().await?;
        if pass == Progress::Settled && again == view {
            return Ok(view);
        }
        view = again;
    }
    Err(Error::internal_message("reconcile does not settle"))
}
