//! Replicas: what another service last told of its entities, kept by version.

use std::marker::PhantomData;

use common::events::State;
use common::events::envelope::Envelope;
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::StoreError;
use super::{Versioned, as_i64, bson};

/// A consumer's copy of another service's entities. It has one write of its own.
pub struct Replica<S> {
    collection: Collection<Document>,
    kind: PhantomData<fn() -> S>,
}

impl<S> Clone for Replica<S> {
    fn clone(&self) -> Self {
        Self { collection: self.collection.clone(), kind: PhantomData }
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
    pub(crate) fn new(collection: Collection<Document>) -> Self {
        Self { collection, kind: PhantomData }
    }

    /// Takes the event's state if it is newer than what is known.
    pub async fn put_if_newer(&self, event: &Envelope<S>) -> Result<Applied, StoreError> {
        let version = as_i64(event.entityversion);
        let filter = doc! { "_id": &event.subject, "version": { "$lt": version } };
        let update = doc! { "$set": { "version": version, "state": bson(&event.data)? } };
        let upsert = self.collection.update_one(filter.clone(), update.clone()).upsert(true).await;
        let matched = match upsert.map_err(StoreError::from) {
            Ok(result) => result.matched_count > 0 || result.upserted_id.is_some(),
            // Known at this version or a newer one; or another version was inserted at this very
            // moment, which is why the update is tried once more.
            Err(StoreError::Duplicate(_)) => self.collection.update_one(filter, update).await?.matched_count > 0,
            Err(error) => return Err(error),
        };
        Ok(if matched { Applied::Applied } else { Applied::Stale })
    }

    /// What is known of the entity with this id.
    pub async fn get(&self, id: impl ToString) -> Result<Option<Versioned<S>>, StoreError> {
        Ok(self.typed().find_one(doc! { "_id": id.to_string() }).await?)
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
        self.collection.clone_with_type()
    }
}
