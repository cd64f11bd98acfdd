//! Publishing from the outbox: the relay publishes events at once, the sweeper those that a crash left unpublished.
//! Published events are removed from the outbox by the document's next write, or in batches after a short delay. Three
//! workers announce, which means that they publish snapshots of current states for consumers that lost an event: the
//! announcer, the scan and resync. A raise writes an entity at a version above that of its replicas, when this service
//! was restored to an earlier moment and is behind them.
//!
//! # Why
//! MongoDB is the source of truth and the stream is transport. All workers run on every instance without a leader,
//! because publishing twice is harmless: consumers compare the entity's version. [`turns`] let instances share the
//! work.

pub(crate) mod acknowledged;
pub mod announcer;
pub mod event;
pub mod queue;
mod raise;
pub mod relay;
mod removal;
mod resync;
pub mod scan;
pub mod sweeper;
pub mod turns;

use std::sync::Arc;
use std::time::Duration;

use common::aggregate::Aggregate;
use common::api::admin::{Raise, Raised, Resync};
use common::error::Error;
use common::timestamp::Timestamp;
use futures::future::BoxFuture;

use crate::context::Context;
use crate::lifecycle;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::telemetry;

/// A store of any aggregate type, as the workers use it.
pub(crate) trait OutboxStore: Send + Sync {
    /// The collection's name.
    fn name(&self) -> &'static str;
    /// Requeues the next batch of unpublished events if it is due ([`turns`] assign each batch to one instance).
    /// `interval` is the pause between two sweeps of the whole collection. Returns the number of documents, and whether
    /// another batch may follow.
    fn sweep(&self, now: Timestamp, interval: Duration) -> BoxFuture<'_, Result<sweeper::Swept, StoreError>>;
    /// Announces the states whose scheduled announcement is due. Returns how many.
    fn announce_due(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>>;
    /// Announces the next batch of the scan if it is due. Returns how many states.
    fn scan_and_announce(&self, now: Timestamp, rate: scan::ScanRate) -> BoxFuture<'_, Result<usize, StoreError>>;
    /// Announces the requested states. Returns how many.
    fn resync<'a>(&'a self, request: &'a Resync) -> BoxFuture<'a, Result<u64, StoreError>>;
    /// Writes an aggregate above the requested version; see [`raise`]. Returns `None` if this store can't.
    fn raise<'a>(&'a self, request: &'a Raise) -> BoxFuture<'a, Result<Option<Raised>, Error>>;
    /// Returns the number of aggregates with events in the outbox, and the time of the oldest event.
    fn backlog(&self) -> BoxFuture<'_, Result<(u64, Option<Timestamp>), StoreError>>;
}

impl<A: Aggregate> OutboxStore for Store<A> {
    fn name(&self) -> &'static str {
        A::COLLECTION
    }

    fn sweep(&self, now: Timestamp, interval: Duration) -> BoxFuture<'_, Result<sweeper::Swept, StoreError>> {
        Box::pin(self.sweep_outbox(now, interval))
    }

    fn announce_due(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.announce_due_states(now))
    }

    fn scan_and_announce(&self, now: Timestamp, rate: scan::ScanRate) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.announce_next_batch(now, rate))
    }

    fn resync<'a>(&'a self, request: &'a Resync) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.announce_requested(request))
    }

    fn raise<'a>(&'a self, request: &'a Raise) -> BoxFuture<'a, Result<Option<Raised>, Error>> {
        Box::pin(self.raise_above(request))
    }

    fn backlog(&self) -> BoxFuture<'_, Result<(u64, Option<Timestamp>), StoreError>> {
        Box::pin(self.outbox_backlog())
    }
}

/// All stores of a service.
pub(crate) type OutboxStores = Arc<Vec<Arc<dyn OutboxStore>>>;

/// Calls `announce` for every store once per `interval`, until shutdown. `counter` is the metric of announced states.
async fn announce_periodically(
    context: Context,
    stores: OutboxStores,
    interval: Duration,
    counter: &'static str,
    announce: impl Fn(&dyn OutboxStore, Timestamp) -> BoxFuture<'_, Result<usize, StoreError>> + Send,
) {
    while context.tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        for store in stores.iter() {
            match announce(store.as_ref(), context.clock.now()).await {
                Ok(0) => {}
                Ok(count) => metrics::counter!(counter, "collection" => store.name()).increment(count as u64),
                Err(error) => tracing::warn!(
                    error = telemetry::causes(&error),
                    collection = store.name(),
                    "states could not be announced"
                ),
            }
        }
    }
}
