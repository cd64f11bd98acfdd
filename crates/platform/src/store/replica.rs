//! Replicas: local copies of another service's entities, ordered by version.
//!
//! # Why
//! A document is `{_id, version, state}` plus the search fields that this service derives from the state, such as its
//! words. One write stores them all, so state and search fields never disagree. Documents that an older release wrote
//! lack the fields that a newer release derives, until their entity changes. Rebuilding the replica adds them; for
//! `web` that is `ticketctl rebuild web`.

use std::marker::PhantomData;

use common::aggregate::Versioned;
use common::error::Error;
use common::events::Payload;
use common::events::envelope::Envelope;
use mongodb::bson::{Document, doc};
use mongodb::options::FindOptions;

use super::batched::BatchedCollection;
use super::error::StoreError;
use super::index::PartialIndex;
use super::update::{Precondition, Update};
use super::{as_i64, bson};

/// A local copy of another service's entities. Filters name the entity's fields with the prefix `state.`.
/// [`Replica::put_if_newer`] is the only write; [`Replica::put_and_read`] also returns what is stored after it.
#[derive(Clone)]
pub struct Replica<S> {
    documents: BatchedCollection,
    derive: fn(&S) -> Document,
    kind: PhantomData<fn() -> S>,
}

/// Whether an event was newer than the stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was newer, and is stored.
    Applied,
    /// The same or a newer version was stored already.
    Stale,
}

/// What a replica contains after an event.
#[derive(Debug, Clone)]
pub struct Stored<S> {
    /// Whether the event was newer.
    pub applied: Applied,
    /// The entity, at the event's version or a newer one. Decisions use this, not the event.
    pub entity: Versioned<S>,
}

impl<S: Payload> Replica<S> {
    pub(crate) fn new(documents: BatchedCollection) -> Self {
        Self { documents, derive: |_| Document::new(), kind: PhantomData }
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        self.documents.collection.name()
    }

    /// Also stores the fields that `derive` returns. It must return all of them for every state: an omitted field would
    /// keep its old value.
    #[must_use]
    pub fn with_derived_fields(self, derive: fn(&S) -> Document) -> Self {
        Self { derive, ..self }
    }

    /// Stores the event's state if it is newer than the stored one. A snapshot also replaces a different state of the
    /// same version: the owner is authoritative, so this repairs a wrong copy.
    pub async fn put_if_newer(&self, event: &Envelope<S>) -> Result<Applied, StoreError> {
        let (id, version) = (event.subject.clone(), event.entityversion);
        let mut set = (self.derive)(&event.data);
        set.insert("version", as_i64(version));
        set.insert("state", bson(&event.data)?);
        let precondition = if event.is_snapshot() { Precondition::AnyOlderOrDifferent } else { Precondition::AnyOlder };
        let (unset, pushed, pulled) = (Vec::new(), None, Vec::new());
        let update = Update { id, version, set, unset, pushed, pulled, precondition };
        let matched = self.documents.update(update).await?;
        Ok(if matched { Applied::Applied } else { Applied::Stale })
    }

    /// Like [`Replica::put_if_newer`]; also returns the stored entity, which is read only if the event is stale.
    ///
    /// # Errors
    /// Unavailable if the read does not find the version that made the event stale: just after an election, a majority
    /// read may be older. Handle the event again: a missing entity proves nothing.
    pub async fn put_and_read(&self, event: &Envelope<S>) -> Result<Stored<S>, Error> {
        let (applied, version) = (self.put_if_newer(event).await?, event.entityversion);
        let entity = match applied {
            Applied::Applied => Versioned { version, state: event.data.clone() },
            Applied::Stale => self.get_since(&event.subject, version).await?,
        };
        Ok(Stored { applied, entity })
    }

    /// Returns the entity with this id.
    pub async fn get(&self, id: impl ToString) -> Result<Option<Versioned<S>>, StoreError> {
        Ok(self.find_by("_id", id).await?.into_iter().next())
    }

    /// Reads the version of an entity that an event has just brought, or a newer one.
    ///
    /// # Errors
    /// Unavailable if it is absent or older, as for [`Replica::put_and_read`].
    pub async fn get_since(&self, id: impl ToString, version: u64) -> Result<Versioned<S>, Error> {
        let stored = self.get(id).await?.filter(|stored| stored.version >= version);
        stored.ok_or(Error::Unavailable(None))
    }

    /// Finds the entities that have this text in a field, ordered by id. Concurrent calls are batched.
    pub async fn find_by(&self, field: &'static str, value: impl ToString) -> Result<Vec<Versioned<S>>, StoreError> {
        self.documents.find(field, value.to_string(), Document::new()).await
    }

    /// Like [`Replica::find_by`], for the entities in this index only.
    pub async fn find_in(
        &self,
        index: &'static PartialIndex<impl AsRef<str>>,
        value: impl ToString,
    ) -> Result<Vec<Versioned<S>>, StoreError> {
        self.documents.find_in(index, value.to_string()).await
    }

    /// Finds the entities that match, ordered by id.
    pub async fn find(&self, filter: Document) -> Result<Vec<Versioned<S>>, StoreError> {
        self.documents.query(filter, FindOptions::builder().sort(doc! { "_id": 1 }).build()).await
    }

    /// Like [`Replica::find`], in this order, and at most `limit`.
    pub async fn find_sorted(
        &self,
        filter: Document,
        order: Document,
        limit: i64,
    ) -> Result<Vec<Versioned<S>>, StoreError> {
        // One batch has all of them, so that no second command is needed.
        let batch = u32::try_from(limit).unwrap_or(u32::MAX);
        self.documents.query(filter, FindOptions::builder().sort(order).limit(limit).batch_size(batch).build()).await
    }
}
