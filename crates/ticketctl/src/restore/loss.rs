//! Counts the entities that a restore would lose or reset: those created or changed since the backup was started.

use anyhow::Result;
use common::events::order::OrderStatus;
use mongodb::bson::{Document, doc};

use crate::backup::Manifest;
use crate::fleet::Fleet;
use crate::reports::restore::Loss;

/// Database, collection and label of the reported entities.
const REPORTED: [(&str, &str, &str); 4] = [
    ("auth", "users", "accounts"),
    ("tickets", "tickets", "listings"),
    ("orders", "orders", "orders"),
    ("payments", "payments", "payments"),
];

/// Counts what restoring the backup would lose of each reported kind of entity. The second value is the number of
/// orders that have been completed since the backup was started.
pub(super) async fn count(fleet: &Fleet, manifest: &Manifest) -> Result<(Vec<Loss>, u64)> {
    let time = manifest.started_at.to_string();
    let mut losses = Vec::new();
    for (service, collection, label) in REPORTED {
        let documents = fleet.client.database(service).collection::<Document>(collection);
        let created = doc! { "state.createdAt": { "$gt": &time } };
        let changed = doc! { "state.createdAt": { "$lte": &time }, "state.updatedAt": { "$gt": &time } };
        losses.push(Loss {
            entities: label.to_owned(),
            is_empty: documents.estimated_document_count().await? == 0,
            created: documents.count_documents(created).await?,
            changed: documents.count_documents(changed).await?,
        });
    }
    let orders = fleet.client.database("orders").collection::<Document>("orders");
    let completed = doc! { "state.status.name": OrderStatus::Completed.as_ref(), "state.updatedAt": { "$gt": &time } };
    Ok((losses, orders.count_documents(completed).await?))
}
