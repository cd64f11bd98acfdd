//! Counts the entities that a restore would lose: those created or changed after the backup.

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

/// What restoring the backup would lose of each kind of entity, and the number of orders completed since.
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
