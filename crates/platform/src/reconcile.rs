//! The reconcile loop, used by event handlers, requests and background tasks.
//!
//! # Why
//! A handler that considers only its own event breaks when events are reordered. Instead, the loop loads the aggregate,
//! then all replicas that can cause a step from its present status, takes one step, and repeats until a step changes
//! nothing.
//!
//! After a step that changes nothing, the loop ends without another read. That is safe for three reasons: every read
//! starts after the handler's own write was acknowledged by a majority; the compare-and-swap checks the version that
//! was loaded; and every writer reads the aggregate's replicas again after its write. So of two concurrent writers, the
//! later one sees the write of the earlier one.

use std::future::Future;

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use common::error::Error;

use crate::store::Store;
use crate::store::error::StoreError;

/// Far more steps than any aggregate needs. Reaching it means that two rules undo each other.
const MAX_STEPS: usize = 64;

/// The outcome of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<A> {
    /// The step was saved, and this is the newest version: only the replicas have to be read again.
    Saved(Versioned<A>),
    /// Another writer was faster: everything has to be read again.
    Lost,
    /// There is nothing to do.
    Unchanged,
}

/// The aggregate as the caller of [`until_unchanged`] knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current<A> {
    /// It has to be read.
    Unread,
    /// The caller has just written or read this version, after its own write to a replica, if any. `None` if the
    /// aggregate does not exist.
    Read(Option<Versioned<A>>),
}

impl<A> From<Versioned<A>> for Current<A> {
    fn from(aggregate: Versioned<A>) -> Self {
        Self::Read(Some(aggregate))
    }
}

/// An aggregate and the data that it must agree with.
pub trait Reconcile: Sync {
    /// The aggregate.
    type Aggregate: Aggregate;
    /// The replicas that the caller has just written and that serve as the first read of them; by default none.
    type Seen: Default + Send;
    /// The replicas that can cause a step from the aggregate's present status.
    type Replicas: Send + Sync;
    /// Reads the aggregate.
    fn load_aggregate(&self) -> impl Future<Output = Result<Option<Versioned<Self::Aggregate>>, Error>> + Send;
    /// Reads the replicas that can cause a step of this aggregate, except those in `seen`. Reads nothing if no replica
    /// can.
    fn load_replicas(
        &self,
        aggregate: Option<&Versioned<Self::Aggregate>>,
        seen: Self::Seen,
    ) -> impl Future<Output = Result<Self::Replicas, Error>> + Send;
    /// Takes at most one step, by compare-and-swap.
    fn step(
        &self,
        aggregate: Option<&Versioned<Self::Aggregate>>,
        replicas: &Self::Replicas,
    ) -> impl Future<Output = Result<Progress<Self::Aggregate>, Error>> + Send;
}

/// Saves one step of an aggregate.
pub async fn advance<A: Aggregate>(
    store: &Store<A>,
    current: &Versioned<A>,
    (next, change): (A, ChangeOf<A>),
) -> Result<Progress<A>, Error> {
    match store.save(current, next, change).await {
        Ok(saved) => Ok(Progress::Saved(saved)),
        Err(StoreError::VersionConflict) => Ok(Progress::Lost),
        Err(error) => Err(error.into()),
    }
}

/// Repeats the step until it changes nothing. Returns the aggregate, or `None` if it does not exist.
///
/// The first iteration uses `known` and `seen`, which the caller has just read or written, instead of reading them.
/// After a saved step the replicas are read again. After a lost compare-and-swap the aggregate is read again, too.
pub async fn until_unchanged<R: Reconcile>(
    subject: &R,
    mut known: Current<R::Aggregate>,
    mut seen: R::Seen,
) -> Result<Option<Versioned<R::Aggregate>>, Error> {
    for _ in 0..MAX_STEPS {
        // The aggregate first: it decides which replicas are read.
        let current = match known {
            Current::Read(current) => current,
            Current::Unread => subject.load_aggregate().await?,
        };
        let replicas = subject.load_replicas(current.as_ref(), seen).await?;
        known = match subject.step(current.as_ref(), &replicas).await? {
            Progress::Saved(next) => Current::from(next),
            Progress::Lost => Current::Unread,
            Progress::Unchanged => return Ok(current),
        };
        seen = R::Seen::default();
    }
    Err(Error::internal_message("reconciling does not end"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use common::events::user::{UserChange, UserState};
    use serde::{Deserialize, Serialize};

    use super::*;

    /// A number that each step increments until it equals the number in its replica.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Counter(u64);

    impl Aggregate for Counter {
        type Payload = UserState;
        const COLLECTION: &'static str = "counters";

        fn id(&self) -> String {
            "counter".to_owned()
        }

        fn payload(&self) -> UserState {
            unreachable!("nothing is published")
        }

        fn present_change(&self) -> UserChange {
            UserChange::Updated
        }

        fn is_settled(&self) -> bool {
            false
        }
    }

    #[derive(Default)]
    struct Fake {
        stored: Mutex<(u64, u64)>,
        /// Another writer increments the number and the replica right before the next swap.
        is_raced: Mutex<bool>,
        aggregate_loads: Mutex<usize>,
        replica_loads: Mutex<usize>,
    }

    impl Fake {
        fn new(number: u64, goal: u64) -> Self {
            Self { stored: Mutex::new((number, goal)), ..Self::default() }
        }

        fn loads(&self) -> (usize, usize) {
            (*self.aggregate_loads.lock().unwrap(), *self.replica_loads.lock().unwrap())
        }

        async fn reconcile(&self, known: Current<Counter>, seen: Option<u64>) -> u64 {
            until_unchanged(self, known, seen).await.unwrap().unwrap().0
        }
    }

    fn at(number: u64) -> Versioned<Counter> {
        Versioned { version: number, state: Counter(number) }
    }

    impl Reconcile for Fake {
        type Aggregate = Counter;
        type Seen = Option<u64>;
        type Replicas = u64;

        async fn load_aggregate(&self) -> Result<Option<Versioned<Counter>>, Error> {
            *self.aggregate_loads.lock().unwrap() += 1;
            Ok(Some(at(self.stored.lock().unwrap().0)))
        }

        async fn load_replicas(&self, _: Option<&Versioned<Counter>>, seen: Option<u64>) -> Result<u64, Error> {
            if let Some(seen) = seen {
                return Ok(seen);
            }
            *self.replica_loads.lock().unwrap() += 1;
            Ok(self.stored.lock().unwrap().1)
        }

        async fn step(&self, counter: Option<&Versioned<Counter>>, goal: &u64) -> Result<Progress<Counter>, Error> {
            let counter = counter.unwrap();
            if counter.0 >= *goal {
                return Ok(Progress::Unchanged);
            }
            let mut stored = self.stored.lock().unwrap();
            if std::mem::take(&mut *self.is_raced.lock().unwrap()) {
                *stored = (stored.0 + 1, stored.1 + 1);
            }
            if stored.0 != counter.0 {
                return Ok(Progress::Lost);
            }
            stored.0 += 1;
            Ok(Progress::Saved(at(stored.0)))
        }
    }

    #[tokio::test]
    async fn unchanged_aggregate_is_read_once() {
        let fake = Fake::new(3, 3);
        assert_eq!(fake.reconcile(Current::Unread, None).await, 3);
        assert_eq!(fake.loads(), (1, 1));
    }

    #[tokio::test]
    async fn after_a_saved_step_only_the_replicas_are_read_again() {
        let fake = Fake::new(2, 3);
        assert_eq!(fake.reconcile(Current::Unread, None).await, 3);
        assert_eq!(fake.loads(), (1, 2));
    }

    #[tokio::test]
    async fn after_a_lost_swap_everything_is_read_again() {
        let fake = Fake { is_raced: Mutex::new(true), ..Fake::new(2, 3) };
        assert_eq!(fake.reconcile(Current::Unread, None).await, 4, "the replica is read as the other writer left it");
        assert_eq!(fake.loads(), (2, 3));
    }

    #[tokio::test]
    async fn known_versions_replace_the_first_reads() {
        let fake = Fake::new(2, 4);
        assert_eq!(
            fake.reconcile(Current::from(at(2)), Some(3)).await,
            4,
            "the replica is newer than the one that was seen"
        );
        assert_eq!(fake.loads(), (0, 2));
        let fake = Fake::new(2, 3);
        assert_eq!(fake.reconcile(Current::from(at(1)), Some(3)).await, 3, "the known version was old");
        assert_eq!(fake.loads(), (1, 2));
    }

    #[tokio::test]
    async fn rules_that_never_agree_are_an_error() {
        let fake = Fake::new(0, u64::MAX);
        assert!(until_unchanged(&fake, Current::Unread, None).await.is_err());
    }
}
