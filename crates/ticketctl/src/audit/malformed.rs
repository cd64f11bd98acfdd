//! Malformed documents: those without a version, with an id that is not a string, or without a text in the field by
//! which the audit sorts them.
//!
//! # Why
//! One malformed document must not abort the audit. The other checks skip it, so they may report that its entity is
//! missing. The malformed document itself is reported as a separate finding.

use anyhow::Result;
use mongodb::Client;
use mongodb::bson::{Bson, RawDocument, RawDocumentBuf, deserialize_from_slice, doc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::entity::{Entity, text};
use super::finding::Finding;
use super::names::WELL_FORMED;

/// A document that can't be decoded as an entity.
#[derive(Debug)]
pub(super) struct Malformed {
    /// The key by which [`recheck`] finds the document: a JSON array of database, collection, sort field and id.
    pub(super) key: String,
    /// The finding that reports it.
    pub(super) finding: Finding,
}

/// The collection from which documents are read, and the field by which they are sorted.
#[derive(Debug)]
pub(super) struct Place {
    database: String,
    collection: String,
    /// `_id`, or a path that begins with `state.`. Each document must have a non-empty string there.
    field: String,
}

/// The id of a document, of any BSON type.
#[derive(Deserialize)]
struct Id {
    #[serde(rename = "_id")]
    id: Bson,
}

impl Place {
    /// The documents of a collection, sorted by `field`.
    pub(super) fn new(database: &str, collection: &str, field: &str) -> Self {
        Self { database: database.to_owned(), collection: collection.to_owned(), field: field.to_owned() }
    }

    /// Decodes a document. It may be a projection, but has to include the sort field.
    pub(super) fn decode(&self, document: &RawDocument) -> Result<Entity, Box<Malformed>> {
        let problem = match deserialize_from_slice::<Entity>(document.as_bytes()) {
            Ok(entity) if self.has_field(&entity) => return Ok(entity),
            Ok(_) => format!("its {} is not a string", self.field),
            Err(error) => error.to_string(),
        };
        Err(Box::new(self.malformed(document, &problem)))
    }

    /// Whether the sort field contains a non-empty string.
    fn has_field(&self, entity: &Entity) -> bool {
        match self.field.strip_prefix("state.") {
            Some(path) => !text(path.split('.').fold(&entity.state, |value, field| &value[field])).is_empty(),
            None => !entity.id.is_empty(),
        }
    }

    fn malformed(&self, document: &RawDocument, problem: &str) -> Malformed {
        let Self { database, collection, field } = self;
        let id = deserialize_from_slice::<Id>(document.as_bytes()).ok();
        // Extended JSON keeps the BSON type of the id, so `recheck` can query by it.
        let id = id.and_then(|id| serde_json::to_value(id.id).ok()).unwrap_or_default();
        let key = json!([database, collection, field, id]).to_string();
        let id = match id {
            Value::String(id) => id,
            other => other.to_string(),
        };
        let text = format!("{database}.{collection} has a malformed document {id}: {problem}");
        Malformed { key, finding: Finding::new(WELL_FORMED, database, [id], text) }
    }
}

/// Reads a malformed document again from the primary, by its [`Malformed::key`]. Returns it if it is still malformed.
///
/// # Errors
/// If the database can't be read.
pub(super) async fn recheck(client: &Client, key: &str) -> Result<Option<Box<Malformed>>> {
    let (database, collection, field, id): (String, String, String, Bson) = serde_json::from_str(key)?;
    let documents = client.database(&database).collection::<RawDocumentBuf>(&collection);
    // No check reads outboxes. Without the outbox, the document has the same problem as before.
    let found = documents.find_one(doc! { "_id": id }).projection(doc! { "outbox": 0 }).await?;
    Ok(found.and_then(|document| Place::new(&database, &collection, &field).decode(&document).err()))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::Document;
    use mongodb::bson::oid::ObjectId;

    use super::*;

    fn decode(field: &str, document: &Document) -> Result<Entity, Box<Malformed>> {
        let raw = RawDocumentBuf::try_from(document).unwrap();
        Place::new("orders", "orders", field).decode(&raw)
    }

    #[test]
    fn entity_has_a_version_and_the_field_that_it_is_sorted_by() {
        let valid = doc! { "_id": "1", "version": 3_i64, "state": { "ticket": { "id": "t" } } };
        for field in ["_id", "state.ticket.id"] {
            assert_eq!(decode(field, &valid).unwrap().version, 3, "{field}");
        }
        let missing = decode("state.orderId", &valid).unwrap_err();
        assert_eq!(missing.finding.ids, ["1"]);
        let text = "0 well-formed: orders.orders has a malformed document 1: its state.orderId is not a string";
        assert_eq!(missing.finding.to_string(), text);
        for document in [
            doc! { "_id": "1" },
            doc! { "_id": "1", "version": "3" },
            doc! { "_id": "1", "version": -1 },
            doc! { "_id": "", "version": 3 },
            doc! { "_id": 1, "version": 3 },
        ] {
            assert!(decode("_id", &document).is_err(), "{document}");
        }
    }

    #[test]
    fn ids_of_any_type_can_be_read_again() {
        let id = ObjectId::new();
        let malformed = decode("_id", &doc! { "_id": id, "version": 3 }).unwrap_err();
        assert_eq!(malformed.finding.ids, [format!("{{\"$oid\":\"{id}\"}}")]);
        let key: (String, String, String, Bson) = serde_json::from_str(&malformed.key).unwrap();
        assert_eq!(key, ("orders".to_owned(), "orders".to_owned(), "_id".to_owned(), Bson::ObjectId(id)));
    }
}
