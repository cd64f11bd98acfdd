//! The archive of payments that were declined long ago.
//!
//! # Why
//! Payments are kept forever, but of a declined payment only the fields that the provider may inquire about are needed
//! after a while. These fields are moved to a separate collection, which no decision, list or snapshot reads. They are
//! written there before the payment is deleted, and the next batch completes a move that a crash interrupted.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database, IndexModel};
use platform::store::error::StoreError;
use platform::store::index;

use crate::domain::payment::Payment;

/// The archive's collection.
pub const ARCHIVE_COLLECTION: &str = "declined_payments";

/// How long a declined payment stays among the payments.
const RETENTION_PERIOD: Duration = Duration::from_secs(90 * 24 * 3600);
/// Maximum number of payments in one batch.
const BATCH_SIZE: i64 = 200;

/// Moves declined payments to the archive.
#[derive(Clone)]
pub struct DeclinedArchive {
    payments: Collection<Document>,
    archive: Collection<Document>,
}

fn is_declined() -> Document {
    doc! { "state.status.name": PaymentStatus::Declined.as_ref() }
}

/// The index that finds declined payments by their age.
pub fn declined_index() -> IndexModel {
    index::partial("declined_v1", doc! { "state.updatedAt": 1 }, is_declined())
}

impl DeclinedArchive {
    /// The archive in the service's database.
    pub fn new(database: &Database) -> Self {
        Self { payments: database.collection(Payment::COLLECTION), archive: database.collection(ARCHIVE_COLLECTION) }
    }

    /// Archives one batch of the payments whose retention period has ended; returns their number.
    pub async fn archive_batch(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut filter = is_declined();
        filter.insert("state.updatedAt", doc! { "$lt": now.minus(RETENTION_PERIOD).to_string() });
        // Pending events are published first.
        filter.insert("outbox", doc! { "$size": 0 });
        let found = self.payments.find(filter).sort(doc! { "state.updatedAt": 1 }).limit(BATCH_SIZE).await?;
        let found: Vec<Document> = found.try_collect().await?;
        for payment in &found {
            self.archive_one(payment).await?;
        }
        Ok(found.len())
    }

    async fn archive_one(&self, payment: &Document) -> Result<(), StoreError> {
        let (id, version) = (payment.get("_id").cloned(), payment.get("version").cloned());
        let state = payment.get_document("state").map_err(StoreError::encoding)?;
        let archived = doc! {
            "orderId": state.get("orderId").cloned(),
            "providerRef": state.get("providerRef").cloned(),
            "reason": state.get_document("status").ok().and_then(|status| status.get("reason")).cloned(),
            "createdAt": state.get("createdAt").cloned(),
            "updatedAt": state.get("updatedAt").cloned(),
        };
        let insert = doc! { "$setOnInsert": archived };
        let written = self.archive.update_one(doc! { "_id": id.clone() }, insert).upsert(true);
        match written.await.map_err(StoreError::from) {
            // Another instance has archived the payment at the same time.
            Ok(_) | Err(StoreError::Duplicate(_)) => {}
            Err(error) => return Err(error),
        }
        self.payments.delete_one(doc! { "_id": id, "version": version }).await?;
        Ok(())
    }
}
