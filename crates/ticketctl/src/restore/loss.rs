//! Counts the entities that a restore would lose: those created or changed after the backup.

use anyhow::Result;
use common::events::order::OrderStatus;
use mongodb::bson::{Document, doc};

use crate::backup::Manifest;
use crate::fleet::Fleet;

/// Database, collection and label of the reported entities.
const REPORTED: [(&str, &str, &str); 4] = [
    ("auth", "users", "accounts"),
    ("tickets", "tickets", "listings"),
    ("orders", "orders", "orders"),
    ("payments", "payments", "payments"),
];

/// Prints a line for each kind of entity.
pub(super) async fn print(fleet: &Fleet, manifest: &Manifest) -> Result<()> {
    let time = manifest.started_at.to_string();
    println!("changes after {time}, which would be lost:");
    for (service, collection, label) in REPORTED {
        let documents = fleet.client.database(service).collection::<Document>(collection);
        if documents.estimated_document_count().await? == 0 {
            println!("  {label}: the collection is empty");
            continue;
        }
        let created = documents.count_documents(doc! { "state.createdAt": { "$gt": &time } }).await?;
        let changed = doc! { "state.createdAt": { "$lte": &time }, "state.updatedAt": { "$gt": &time } };
        println!("  {label}: {created} created, {} changed", documents.count_documents(changed).await?);
    }
    let orders = fleet.client.database("orders").collection::<Document>("orders");
    let completed = doc! { "state.status.name": OrderStatus::Completed.as_ref(), "state.updatedAt": { "$gt": &time } };
    println!(
        "  purchases: {} completed; `restore settle` finds and refunds their charges",
        orders.count_documents(completed).await?
    );
    Ok(())
}
