//! Checks that the unique indexes which services declare exist. Without them, concurrent requests could violate an
//! invariant.

use std::collections::BTreeSet;

use anyhow::Result;
use futures::TryStreamExt;
use mongodb::bson::Document;
use mongodb::error::ErrorKind;
use mongodb::{Client, Database, IndexModel};

use super::finding::Finding;
use super::names::UNIQUE_INDEXES;

/// MongoDB's error code for a collection that does not exist.
const NAMESPACE_NOT_FOUND: i32 = 26;

/// A unique index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UniqueIndex {
    /// The database of the service that declares it.
    pub database: &'static str,
    /// The collection.
    pub collection: &'static str,
    /// The name of the index.
    pub name: &'static str,
    /// The indexed fields, in order.
    pub fields: &'static [&'static str],
}

/// The unique indexes of all services.
pub const DECLARED: [UniqueIndex; 4] = [
    unique("orders", "orders", "open_seats_v1", &["state.ticket.id", "state.slots"]),
    unique("orders", "orders", "one_hold_v1", &["state.ticket.id", "state.buyerId"]),
    unique("payments", "payments", "attempts_v1", &["state.orderId", "state.attempt"]),
    unique("payments", "payments", "one_per_order_v1", &["state.orderId"]),
];

const fn unique(
    database: &'static str,
    collection: &'static str,
    name: &'static str,
    fields: &'static [&'static str],
) -> UniqueIndex {
    UniqueIndex { database, collection, name, fields }
}

impl UniqueIndex {
    /// Whether an existing index has this name and these fields, and is unique.
    fn matches(&self, model: &IndexModel) -> bool {
        let options = model.options.as_ref();
        let is_unique = options.is_some_and(|options| options.unique == Some(true));
        is_unique && name_of(model) == Some(self.name) && model.keys.keys().eq(self.fields.iter().copied())
    }
}

/// The name of an index.
pub(super) fn name_of(model: &IndexModel) -> Option<&str> {
    model.options.as_ref()?.name.as_deref()
}

/// The existing indexes of a collection; none if the collection does not exist.
pub(super) async fn indexes_of(database: &Database, collection: &str) -> Result<Vec<IndexModel>> {
    match database.collection::<Document>(collection).list_indexes().await {
        Ok(indexes) => Ok(indexes.try_collect().await?),
        Err(error) => match error.kind.as_ref() {
            ErrorKind::Command(command) if command.code == NAMESPACE_NOT_FOUND => Ok(Vec::new()),
            _ => Err(error.into()),
        },
    }
}

/// Reports each declared index that does not exist, is not unique, or has other fields.
///
/// # Errors
/// If the indexes can't be read from MongoDB.
pub async fn missing(client: &Client) -> Result<Vec<Finding>> {
    let collections: BTreeSet<_> = DECLARED.iter().map(|index| (index.database, index.collection)).collect();
    let mut found = Vec::new();
    for (database, collection) in collections {
        let existing = indexes_of(&client.database(database), collection).await?;
        let declared = DECLARED.iter().filter(|index| (index.database, index.collection) == (database, collection));
        for index in declared.filter(|index| !existing.iter().any(|model| index.matches(model))) {
            let name = index.name;
            let text = format!("{database}.{collection} lacks the unique index {name}");
            found.push(Finding::new(UNIQUE_INDEXES, database, [name], text));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;
    use mongodb::options::IndexOptions;

    use super::*;

    #[test]
    fn index_must_be_unique_on_the_declared_fields() {
        let index = unique("payments", "payments", "attempts_v1", &["state.orderId", "state.attempt"]);
        let model = |name: &str, keys: Document, unique: bool| {
            let options = IndexOptions::builder().name(name.to_owned()).unique(unique).build();
            IndexModel::builder().keys(keys).options(options).build()
        };
        let keys = doc! { "state.orderId": 1, "state.attempt": 1 };
        assert!(index.matches(&model("attempts_v1", keys.clone(), true)));
        assert!(!index.matches(&model("attempts_v1", keys.clone(), false)));
        assert!(!index.matches(&model("attempts_v2", keys, true)));
        assert!(!index.matches(&model("attempts_v1", doc! { "state.orderId": 1 }, true)));
    }
}
