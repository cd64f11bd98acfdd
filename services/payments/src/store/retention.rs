//! What is kept of payments that were declined long ago.
//!
//! # Why
//! A payment is never deleted. Of one that was declined nobody needs more, after a while, than what the provider could
//! ask about: so it moves to a collection of its own, which no decision, list or announcement reads. It is written
//! there before it leaves the other one, and a crash in between is made up for by the next round.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use platform::store::error::StoreError;

use crate::domain::payment::Payment;

/// The collection of what is left of declined payments.
pub const REDUCED: &str = "declined_payments";

/// How long a declined payment is kept whole.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// How many payments one round takes.
const ROUND: i64 = 200;

/// The collections.
#[derive(Clone)]
pub struct Retention {
    payments: Collection<Document>,
    reduced: Collection<Document>,
}

/// The index that finds declined payments by their age.
pub fn declined_index() -> IndexModel {
    let options = IndexOptions::builder()
        .name("declined_v1".to_owned())
        .partial_filter_expression(doc! { "state.status.name": PaymentStatus::Declined.as_ref() })
        .build();
    IndexModel::builder().keys(doc! { "state.updatedAt": 1 }).options(options).build()
}

/// Indexes of what is left.
pub fn reduced_indexes() -> Vec<IndexModel> {
    let index = |name: &str, keys: Document| {
        IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
    };
    vec![index("order_v1", doc! { "orderId": 1 }), index("reference_v1", doc! { "providerRef": 1 })]
}

impl Retention {
    /// The collections in the service's database.
    pub fn new(database: &Database) -> Self {
        Self { payments: database.collection(Payment::COLLECTION), reduced: database.collection(REDUCED) }
    }

    /// Reduces payments that were declined long enough ago, a round of them; how many.
    pub async fn reduce(&self, now: Timestamp) -> Result<usize, StoreError> {
        let old = doc! {
            "state.status.name": PaymentStatus::Declined.as_ref(),
            "state.updatedAt": { "$lt": now.minus(KEPT).to_string() },
            // What has yet to be told is told first.
            "outbox": { "$size": 0 },
        };
        let found = self.payments.find(old).sort(doc! { "state.updatedAt": 1 }).limit(ROUND).await?;
        let found: Vec<Document> = found.try_collect().await?;
        for payment in &found {
            self.reduce_one(payment).await?;
        }
        Ok(found.len())
    }

    async fn reduce_one(&self, payment: &Document) -> Result<(), StoreError> {
        let (id, version) = (payment.get("_id").cloned(), payment.get("version").cloned());
        let state = payment.get_document("state").map_err(StoreError::encoding)?;
        let left = doc! {
            "orderId": state.get("orderId").cloned(),
            "providerRef": state.get("providerRef").cloned(),
            "reason": state.get_document("status").ok().and_then(|status| status.get("reason")).cloned(),
            "createdAt": state.get("createdAt").cloned(),
            "updatedAt": state.get("updatedAt").cloned(),
        };
        let written = self.reduced.update_one(doc! { "_id": id.clone() }, doc! { "$setOnInsert": left }).upsert(true);
        match written.await.map_err(StoreError::from) {
            // Two at once: the other one has it.
            Ok(_) | Err(StoreError::Duplicate(_)) => {}
            Err(error) => return Err(error),
        }
        self.payments.delete_one(doc! { "_id": id, "version": version }).await?;
        Ok(())
    }
}
