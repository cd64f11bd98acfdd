//! From the outbox to the stream: the relay at once, the sweeper after a crash, announcements and the rotation for
//! what a stream lost.
//!
//! # Why
//! MongoDB is the truth and the stream is transport. Everything here runs on every instance without
//! a leader, because doing it twice is harmless: consumers go by the entity's version.

pub mod announcer;
pub mod event;
pub mod relay;
mod resync;
pub mod scan;
pub mod sweeper;

use std::sync::Arc;

use common::aggregate::Aggregate;
use common::api::admin::Resync;
use common::timestamp::Timestamp;
use futures::future::BoxFuture;

use crate::store::Store;
use crate::store::error::StoreError;

/// A store as the outbox's workers see it, whatever it holds.
pub(crate) trait Source: Send + Sync {
    /// The collection's name.
    fn name(&self) -> &'static str;
    /// Hands events that were left behind to the relay; how many documents had some.
    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>>;
    /// Announces what is due; how many.
    fn announce_due(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>>;
    /// Announces the next batch of the rotation if its turn is due. Returns how many events.
    fn scan_and_announce(&self, now: Timestamp, pace: scan::ScanRate) -> BoxFuture<'_, Result<usize, StoreError>>;
    /// Announces what was asked for; how many.
    fn resync<'a>(&'a self, wanted: &'a Resync) -> BoxFuture<'a, Result<u64, StoreError>>;
    /// Removes idempotency keys whose retention has ended. Returns how many.
    fn forget_answers(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>>;
    /// How many aggregates have unpublished events, and since when the oldest waits.
    fn backlog(&self) -> BoxFuture<'_, Result<(u64, Option<Timestamp>), StoreError>>;
}

impl<A: Aggregate> Source for Store<A> {
    fn name(&self) -> &'static str {
        A::COLLECTION
    }

    fn sweep(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.sweep_outbox(now))
    }

    fn announce_due(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.announce_what_is_due(now))
    }

    fn scan_and_announce(&self, now: Timestamp, pace: scan::ScanRate) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.scan_and_announce(now, pace))
    }

    fn resync<'a>(&'a self, wanted: &'a Resync) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.announce_wanted(wanted))
    }

    fn forget_answers(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(Store::forget_answers(self, now))
    }

    fn backlog(&self) -> BoxFuture<'_, Result<(u64, Option<Timestamp>), StoreError>> {
        Box::pin(self.outbox_backlog())
    }
}

/// All stores of a service.
pub(crate) type Sources = Arc<Vec<Arc<dyn Source>>>;
