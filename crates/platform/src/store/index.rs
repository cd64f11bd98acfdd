//! Named indexes, and partial indexes over the documents whose status is still active.
//!
//! # Why
//! One user can create documents without limit (declined payments, released holds), which must not slow down a decision
//! about another user. A document enters a partial index when it is inserted, keeps its key there, and leaves once, for
//! good. So no query misses a document because it moved within the index, and a document that has left costs nothing.
//! Queries name their index: the planner might otherwise choose a full index on the same field.

use std::time::Duration;

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

/// The name of the index that MongoDB itself builds on `_id`.
pub const ID_INDEX: &str = "_id_";

/// An index on these keys.
pub fn named(name: &str, keys: Document) -> IndexModel {
    model(name, keys, None, None)
}

/// A unique index on these keys.
pub fn unique(name: &str, keys: Document) -> IndexModel {
    model(name, keys, Some(true), None)
}

/// An index on these keys over the documents that match `filter`.
pub fn partial(name: &str, keys: Document, filter: Document) -> IndexModel {
    model(name, keys, None, Some(filter))
}

/// A TTL index: MongoDB removes each document within minutes after the time in `expiresOn`, which must be a BSON date.
pub fn expiry(name: &str) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).expire_after(Duration::ZERO).build();
    IndexModel::builder().keys(doc! { "expiresOn": 1 }).options(options).build()
}

fn model(name: &str, keys: Document, unique: Option<bool>, filter: Option<Document>) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).unique(unique).partial_filter_expression(filter);
    IndexModel::builder().keys(keys).options(options.build()).build()
}

/// A partial index on a text field, over the documents with certain statuses.
#[derive(Debug)]
pub struct PartialIndex<S: 'static> {
    /// The index's name.
    pub name: &'static str,
    /// Path of the indexed field, such as `state.orderId`.
    pub field: &'static str,
    /// Path of the status, such as `state.status.name`.
    pub status: &'static str,
    /// The indexed statuses. A document that leaves them must never return to one.
    pub among: &'static [S],
    /// Whether at most one indexed document may have a given value.
    pub unique: bool,
}

impl<S: AsRef<str>> PartialIndex<S> {
    /// The definition, for creating the index.
    pub fn model(&self) -> IndexModel {
        self.compound_model(&[])
    }

    /// Like [`PartialIndex::model`], with further fields after the first. If one of them is an array, each of its
    /// values is indexed, and a unique index rejects a document that shares one with another document.
    pub fn compound_model(&self, further: &[&str]) -> IndexModel {
        let mut keys = doc! { self.field: 1 };
        for field in further {
            keys.insert(*field, 1);
        }
        model(self.name, keys, Some(self.unique), Some(self.filter()))
    }

    /// Matches the indexed documents.
    pub fn filter(&self) -> Document {
        doc! { self.status: any_of(self.among) }
    }
}

/// Matches any of these values by name.
pub fn any_of<S: AsRef<str>>(values: &[S]) -> Document {
    doc! { "$in": values.iter().map(AsRef::as_ref).collect::<Vec<&str>>() }
}
