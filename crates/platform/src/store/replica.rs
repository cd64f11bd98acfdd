//! Replicas: what another service last told of its entities, kept by version.
//!
//! # Why
//! `{_id, version, state}`, and beside them what this service derives from the state to find it by, such
//! as its words. That is one write with the state, so the two never disagree. What an older release has
//! written lacks what a newer one derives until the entity changes: building the replica anew heals it,
//! which for web is `cargo xtask rebuild web`.

use std::marker::PhantomData;

use common::aggregate::Versioned;
use common::events::Payload;
use common::events::envelope::Envelope;
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::batched::{BatchedCollection, Precondition, Update};
use super::error::StoreError;
use super::partial::PartialIndex;
use super::{as_i64, bson};

/// A consumer's copy of another service's entities. It has one write of its own.
pub struct Replica<S> {
    documents: BatchedCollection,
    derive: fn(&S) -> Document,
    kind: PhantomData<fn() -> S>,
}

impl<S> Clone for Replica<S> {
    fn clone(&self) -> Self {
        Self { documents: self.documents.clone(), derive: self.derive, kind: PhantomData }
    }
}

/// Whether an event was news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was newer than what was known.
    Applied,
    /// The same or something newer was known already.
    Stale,
}

impl<S: Payload> Replica<S> {
    /// The replica in this collection; [`crate::context::Context::replica`] makes it.
    pub(crate) fn new(documents: BatchedCollection) -> Self {
        Self { documents, derive: |_| Document::new(), kind: PhantomData }
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        self.documents.collection.name()
    }

    /// The same replica, with these fields stored beside each state. It is the same fields for every
    /// state: one that is left out keeps what an earlier state gave it.
    #[must_use]
    pub fn deriving(self, derive: fn(&S) -> Document) -> Self {
        Self { derive, ..self }
    }

    /// Takes the event's state if it is newer than what is known. A snapshot also replaces another state of the same
    /// version: the owner is right, so what is wrong at the right version heals.
    pub async fn put_if_newer(&self, event: &Envelope<S>) -> Result<Applied, StoreError> {
        let (id, version) = (event.subject.clone(), event.entityversion);
        let mut fields = (self.derive)(&event.data);
        fields.insert("version", as_i64(version));
        fields.insert("state", bson(&event.data)?);
        let change = doc! { "$set": fields };
        let precondition = if event.is_snapshot() { Precondition::AnyOlderOrDifferent } else { Precondition::AnyOlder };
        let matched = self.documents.update(Update { id, version, change, precondition }).await?;
        Ok(if matched { Applied::Applied } else { Applied::Stale })
    }

    /// What is known of the entity with this id.
    pub async fn get(&self, id: impl ToString) -> Result<Option<Versioned<S>>, StoreError> {
        Ok(self.find_by("_id", id).await?.into_iter().next())
    }

    /// What is known of the entities with this text in a field, ordered by id; fields are under
    /// `state.`. Cheaper than [`Replica::find`] when many ask at once.
    pub async fn find_by(&self, field: &'static str, value: impl ToString) -> Result<Vec<Versioned<S>>, StoreError> {
        self.documents.find(field, value.to_string(), Document::new()).await
    }

    /// What is known of the entities with this text in the index's field that are in the index, by id: examines
    /// no others.
    pub async fn find_in(
        &self,
        index: &'static PartialIndex<impl AsRef<str>>,
        value: impl ToString,
    ) -> Result<Vec<Versioned<S>>, StoreError> {
        self.documents.find_in(index, value.to_string()).await
    }

    /// What is known of the entities that match, ordered by id; fields are under `state.`, or derived.
    pub async fn find(&self, filter: Document) -> Result<Vec<Versioned<S>>, StoreError> {
        let (typed, order) = (self.typed(), doc! { "_id": 1 });
        let found = typed.find(filter).projection(doc! { "version": 1, "state": 1 }).sort(order);
        Ok(found.await?.try_collect().await?)
    }

    /// Like [`Replica::find`], in this order and at most `limit`.
    pub async fn find_some(
        &self,
        filter: Document,
        order: Document,
        limit: i64,
    ) -> Result<Vec<Versioned<S>>, StoreError> {
        let typed = self.typed();
        let found = typed.find(filter).projection(doc! { "version": 1, "state": 1 }).sort(order).limit(limit);
        Ok(found.await?.try_collect().await?)
    }

    /// How many entities match.
    pub async fn count(&self, filter: Document) -> Result<u64, StoreError> {
        Ok(self.documents.collection.count_documents(filter).await?)
    }

    fn typed(&self) -> Collection<Versioned<S>> {
        self.documents.collection.clone_with_type()
    }
}
