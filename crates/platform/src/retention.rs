//! Removes idempotency records after their retention.
//!
//! # Why
//! A record is part of the document that its request created, and that document must stay. MongoDB's TTL indexes remove
//! whole documents, so they can't be used. Every instance runs this task, because running it twice is harmless.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};

use crate::context::Context;
use crate::lifecycle;
use crate::outbox::OutboxStores;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::telemetry;

/// Minimum time for which an answer can be replayed.
const IDEMPOTENCY_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of documents per round.
const BATCH_SIZE: i64 = 500;

impl<A: Aggregate> Store<A> {
    /// Removes one batch of records whose answer is older than the retention, and returns how many. A request in
    /// flight has no answer; its record stays, however old it is.
    pub(crate) async fn purge_idempotency_records(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut filter = doc! { "idempotency.answeredAt": { "$lt": now.minus(IDEMPOTENCY_RETENTION).to_string() } };
        let found = self.collection().find(filter.clone()).projection(doc! { "_id": 1 }).limit(BATCH_SIZE).await?;
        let found: Vec<Document> = found.try_collect().await?;
        let ids: Vec<_> = found.iter().filter_map(|found| found.get_str("_id").ok()).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        filter.insert("_id", doc! { "$in": ids });
        let purged = self.collection().update_many(filter, doc! { "$unset": { "idempotency": "" } }).await?;
        Ok(purged.modified_count)
    }
}

/// Purges all stores once per `CLEANUP_INTERVAL`, until shutdown.
pub(crate) async fn run(context: Context, stores: OutboxStores) {
    let tasks = &context.tasks;
    while tasks.sleep_unless_stopping(lifecycle::jittered(context.config.cleanup_interval)).await {
        for store in stores.iter() {
            while !tasks.stop().is_cancelled() {
                match store.purge_idempotency_records(context.clock.now()).await {
                    Ok(0) => break,
                    Ok(count) => tracing::debug!(collection = store.name(), count, "removed old idempotency records"),
                    Err(error) => {
                        tracing::warn!(
                            error = telemetry::causes(&error),
                            collection = store.name(),
                            "old idempotency records could not be removed"
                        );
                        break;
                    }
                }
            }
        }
    }
}
