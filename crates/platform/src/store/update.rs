//! A conditional update of one document to a new version, as a statement of MongoDB's `update` command.

use mongodb::bson::{Bson, Document, doc};

use super::as_i64;

/// Changes one document to a new version.
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) version: u64,
    /// The fields to set, by dotted path; `version` and `state` are among them.
    pub(crate) set: Document,
    /// The fields to remove.
    pub(crate) unset: Vec<&'static str>,
    /// The event to add to the outbox.
    pub(crate) pushed: Option<Bson>,
    /// The ids of the events to remove from the outbox.
    pub(crate) pulled: Vec<String>,
    pub(crate) precondition: Precondition,
}

/// What must be true of the document, or else an [`Update`] changes nothing.
pub(crate) enum Precondition {
    /// It has this version, the previous one. `event` is the id of the event that the update adds to the outbox, if
    /// any.
    Previous { version: u64, event: Option<String> },
    /// It is absent, or has an older version.
    AnyOlder,
    /// It is absent, has an older version, or has the same version and a different state.
    AnyOlderOrDifferent,
}

impl Update {
    /// The state that the update sets.
    pub(super) fn state(&self) -> Option<&Bson> {
        self.set.get("state")
    }

    pub(super) fn is_upsert(&self) -> bool {
        !matches!(self.precondition, Precondition::Previous { .. })
    }

    /// The statement of an `update` command.
    pub(super) fn statement(&self) -> Document {
        let change = if self.pulled.is_empty() { Bson::Document(self.operators()) } else { self.pipeline() };
        doc! { "q": self.filter(), "u": change, "upsert": self.is_upsert() }
    }

    /// Matches the document by its id and the precondition.
    pub(super) fn filter(&self) -> Document {
        let version = as_i64(self.version);
        match self.precondition {
            Precondition::Previous { version: previous, .. } => doc! { "_id": &self.id, "version": as_i64(previous) },
            Precondition::AnyOlder => doc! { "_id": &self.id, "version": { "$lt": version } },
            Precondition::AnyOlderOrDifferent => doc! {
                "_id": &self.id,
                "$or": [
                    { "version": { "$lt": version } },
                    { "version": version, "state": { "$ne": self.state().cloned().unwrap_or(Bson::Null) } },
                ],
            },
        }
    }

    /// The update operators. They remove no events from the outbox.
    pub(super) fn operators(&self) -> Document {
        let mut operators = doc! { "$set": self.set.clone() };
        if let Some(event) = &self.pushed {
            operators.insert("$push", doc! { "outbox": event.clone() });
        }
        if !self.unset.is_empty() {
            operators.insert(
                "$unset",
                self.unset.iter().map(|field| ((*field).to_owned(), "".into())).collect::<Document>(),
            );
        }
        operators
    }

    /// The same as [`Update::operators`] as an aggregation pipeline, which also removes events from the outbox: MongoDB
    /// rejects `$push` and `$pull` of one array in one update. Every value is a literal; otherwise a text that begins
    /// with `$` would be read as a field path, and an embedded document would be merged into the stored one.
    fn pipeline(&self) -> Bson {
        let literal = |value: Bson| Bson::Document(doc! { "$literal": value });
        let mut set: Document = self.set.iter().map(|(path, value)| (path.clone(), literal(value.clone()))).collect();
        let is_pulled = doc! { "$in": ["$$this.id", literal(self.pulled.clone().into())] };
        let outbox = doc! { "$ifNull": ["$outbox", []] };
        let remaining = doc! { "$filter": { "input": outbox, "cond": { "$not": [is_pulled] } } };
        let pushed = Bson::Array(self.pushed.iter().cloned().collect());
        set.insert("outbox", doc! { "$concatArrays": [remaining, literal(pushed)] });
        let mut stages = vec![Bson::Document(doc! { "$set": set })];
        if !self.unset.is_empty() {
            stages.push(Bson::Document(doc! { "$unset": self.unset.clone() }));
        }
        Bson::Array(stages)
    }
}
