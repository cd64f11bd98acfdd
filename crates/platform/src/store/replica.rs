//! Replicas: what another service last told of its entities, kept by version.

use std::marker::PhantomData;

use common::events::State;
use common::events::envelope::Envelope;
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::StoreError;
use super::grouped::{From, Grouped, Update};
use super::{Versioned, as_i64, bson};

/// A consumer's copy of another service's entities. It has one write of its own.
pub struct Replica<S> {
    documents: Grouped,
    kind: PhantomData<fn() -> S>,
}

impl<S> Clone for Replica<S> {
    fn clone(&self) -> Self {
        Self { documents: self.documents.clone(), kind: PhantomData }
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

impl<S: State> Replica<S> {
    /// The replica in this collection; [`crate::context::Context::replica`] makes it.
    pub(crate) fn new(documents: Grouped) -> Self {
        Self { documents, kind: PhantomData }
    }

    /// Takes the event's state if it is newer than what is known.
    pub async fn put_if_newer(&self, event: &Envelope<S>) -> Result<Applied, StoreError> {
        let (id, version) = (event.subject.clone(), event.entityversion);
        let change = doc! { "$set": { "version": as_i64(version), "state": bson(&event.data)? } };
        let matched = self.documents.update(Update { id, version, change, from: From::AnyOlder }).await?;
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

    /// What is known of the entities that match, ordered by id; fields are under `state.`.
    pub async fn find(&self, filter: Document) -> Result<Vec<Versioned<S>>, StoreError> {
        Ok(self.typed().find(filter).sort(doc! { "_id": 1 }).await?.try_collect().await?)
    }

    /// Like [`Replica::find`], in this order and at most `limit`.
    pub async fn find_some(
        &self,
        filter: Document,
        order: Document,
        limit: i64,
    ) -> Result<Vec<Versioned<S>>, StoreError> {
        Ok(self.typed().find(filter).sort(order).limit(limit).await?.try_collect().await?)
    }

    fn typed(&self) -> Collection<Versioned<S>> {
        self.documents.collection.clone_with_type()
    }
}
