//! Counts what a restore would lose: entities that were created or changed after the backup.

use anyhow::Result;
use common::events::order::OrderStatus;
use common::timestamp::Timestamp;
use mongodb::Database;
use mongodb::bson::{Document, doc};

use crate::backup::Manifest;
use crate::fleet::Fleet;

/// What people would miss: the database, its collection, and the word for it.
const MISSED: [(&str, &str, &str); 4] = [
    ("auth", "users", "accounts"),
    ("tickets", "tickets", "listings"),
    ("orders", "orders", "orders"),
    ("payments", "payments", "payments"),
];

/// Prints a line for each kind of entity.
pub(super) async fn tell(fleet: &Fleet, manifest: &Manifest) -> Result<()> {
    println!("would be lost, of what happened after {}:", manifest.began);
    for (service, collection, word) in MISSED {
        let database = fleet.client.database(service);
        println!("  {word}: {}", lost(&database, collection, manifest.began).await?);
    }
    let since = doc! { "$gt": manifest.began.to_string() };
    let since = doc! { "state.status.name": OrderStatus::Completed.as_ref(), "state.updatedAt": since };
    let completed = fleet.client.database("orders").collection::<Document>("orders").count_documents(since).await?;
    println!(
        "  purchases: {completed} completed; what was charged for them is found and given back by `restore settle`"
    );
    Ok(())
}

async fn lost(database: &Database, collection: &str, began: Timestamp) -> Result<String> {
    let documents = database.collection::<Document>(collection);
    if documents.estimated_document_count().await? == 0 {
        return Ok("nothing is there".to_owned());
    }
    let time = began.to_string();
    let new = documents.count_documents(doc! { "state.createdAt": { "$gt": &time } }).await?;
    let older = doc! { "state.createdAt": { "$lte": &time }, "state.updatedAt": { "$gt": &time } };
    let changed = documents.count_documents(older).await?;
    Ok(format!("{new} new ones, changes of {changed}"))
}
