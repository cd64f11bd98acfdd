//! Joins changes of one show that follow each other closely into one message.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::id::ShowId;

/// The shows of which a message is about to be computed; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingShows(Arc<Mutex<HashSet<ShowId>>>);

impl PendingShows {
    /// Adds a show; returns whether the caller has to compute the message. If not, a message that is yet to be computed
    /// will tell the change too.
    pub(crate) fn add(&self, show: ShowId) -> bool {
        self.shows().insert(show)
    }

    /// Removes a show, just before its message is computed.
    pub(crate) fn take(&self, show: ShowId) {
        self.shows().remove(&show);
    }

    fn shows(&self) -> MutexGuard<'_, HashSet<ShowId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
