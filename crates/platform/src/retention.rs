//! What has been kept long enough goes: idempotency answers.
//!
//! # Why
//! A key lies within the document that its request created, which stays for ever; so MongoDB's own expiry, which
//! removes documents, can't do it. Every instance looks now and then; doing it twice is harmless.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::clock::SharedClock;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};

use crate::lifecycle::{self, Tasks};
use crate::outbox::Sources;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::telemetry;

/// How long the answer to a request is repeated at least, from when it was known.
const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How many documents one round takes.
const ROUND: i64 = 500;

impl<A: Aggregate> Store<A> {
    /// Forgets the keys whose answers have been kept long enough, a round of them; how many. One whose request is in
    /// flight has no answer and stays, however old it is.
    pub(crate) async fn forget_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        let old = doc! { "idempotency.answeredAt": { "$lt": now.minus(ANSWERS_KEPT).to_string() } };
        let found = self.collection().find(old.clone()).projection(doc! { "_id": 1 }).limit(ROUND).await?;
        let found: Vec<Document> = found.try_collect().await?;
        let ids: Vec<_> = found.iter().filter_map(|found| found.get_str("_id").ok()).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let mut these = old;
        these.insert("_id", doc! { "$in": ids });
        let forgotten = self.collection().update_many(these, doc! { "$unset": { "idempotency": "" } }).await?;
        Ok(forgotten.modified_count)
    }
}

/// Looks in all stores until the service ends.
pub(crate) async fn run(sources: Sources, clock: SharedClock, tasks: Tasks, interval: Duration) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        for source in sources.iter() {
            loop {
                match source.forget_answers(clock.now()).await {
                    Ok(0) => break,
                    Ok(count) => tracing::debug!(collection = source.name(), count, "forgot old idempotency keys"),
                    Err(error) => {
                        tracing::warn!(
                            error = telemetry::causes(&error),
                            collection = source.name(),
                            "old keys could not be forgotten"
                        );
                        break;
                    }
                }
                if tasks.stop().is_cancelled() {
                    return;
                }
            }
        }
    }
}
