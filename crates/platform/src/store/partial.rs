//! Partial indexes: of the documents of one field's value, those whose status still matters.
//!
//! # Why
//! What one visitor repeats without end (declined cards, holds that are let go) must not slow down a decision
//! about anybody else. A document enters such an index when it is inserted and leaves it once, for good, so a
//! look-up never misses one that moves within the index, and what has left costs nothing. A look-up names its
//! index: left to itself, the planner may choose another one by the same field, with everything in it.

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

/// A partial index by a text field.
#[derive(Debug)]
pub struct PartialIndex<S: 'static> {
    /// The index's name.
    pub name: &'static str,
    /// Path of the indexed field, such as `state.orderId`.
    pub field: &'static str,
    /// Path of the status, such as `state.status.name`.
    pub status: &'static str,
    /// The indexed statuses. A document that has left them must never return to one.
    pub among: &'static [S],
    /// Whether at most one indexed document may have a given value.
    pub unique: bool,
}

impl<S: AsRef<str>> PartialIndex<S> {
    /// The index, to be created.
    pub fn model(&self) -> IndexModel {
        let options = IndexOptions::builder()
            .name(self.name.to_owned())
            .unique(self.unique)
            .partial_filter_expression(self.filter())
            .build();
        IndexModel::builder().keys(doc! { self.field: 1 }).options(options).build()
    }

    /// Matches the documents in the index.
    pub fn filter(&self) -> Document {
        doc! { self.status: any_of(self.among) }
    }
}

/// Matches any of these values, by their names.
pub fn any_of<S: AsRef<str>>(values: &[S]) -> Document {
    doc! { "$in": values.iter().map(AsRef::as_ref).collect::<Vec<&str>>() }
}
