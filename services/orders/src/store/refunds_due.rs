//! The completed orders whose charge has to be refunded because their show was cancelled.
//!
//! # Why
//! Whether a refund is due follows from the order, its show and its payment. But a query of these would also examine
//! every charge that was ever refunded. So each order with a refund due has an entry here until its charge is refunded
//! in full. The entry is not part of the order, which is final.

use common::api::page::Page;
use common::id::OrderId;
use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use serde::{Deserialize, Serialize};

/// The collection of entries.
pub const REFUNDS_DUE: &str = "refunds_due";

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "_id")]
    order_id: OrderId,
}

/// The collection of entries.
#[derive(Clone)]
pub struct RefundsDue(Collection<Entry>);

impl RefundsDue {
    /// The collection in this database.
    pub fn new(database: &Database) -> Self {
        Self(database.collection(REFUNDS_DUE))
    }

    /// Adds an order, unless it has been added.
    pub async fn add(&self, order_id: OrderId) -> Result<(), StoreError> {
        match self.0.insert_one(Entry { order_id }).await.map_err(StoreError::from) {
            Ok(_) | Err(StoreError::Duplicate(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes an order, if it is there.
    pub async fn remove(&self, order_id: OrderId) -> Result<(), StoreError> {
        self.0.delete_one(doc! { "_id": order_id.to_string() }).await?;
        Ok(())
    }

    /// One page of the orders, newest first.
    pub async fn page(&self, request: &PageRequest) -> Result<Page<OrderId>, StoreError> {
        let filter = request.apply_cursor(Document::new());
        let found = self.0.find(filter).sort(doc! { "_id": -1 }).limit(request.limit + 1).await?;
        let found: Vec<Entry> = found.try_collect().await?;
        Ok(request.to_page(found, |entry| entry.order_id.to_string()).map(|entry| entry.order_id))
    }
}
