//! The versioned store: one document per aggregate with its outbox, and one atomic write per change.
//!
//! # Why
//! State and events are in one document, so there is no dual write: an event exists if and only if its change does. A
//! document is `{_id, version, state, outbox, announce}`; `announce` is the time of the next snapshot. The state is
//! nested and replaced as a whole, so a field that a new state lacks is removed, and no field of the state collides
//! with the platform's.

pub(crate) mod batched;
pub mod batcher;
pub mod bulk;
pub mod causal;
pub mod claims;
pub mod error;
pub mod index;
pub mod page;
pub mod replica;
mod update;

use std::marker::PhantomData;
use std::time::Duration;

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use common::api::page::Page;
use common::clock::SharedClock;
use common::events::Change;
use common::events::envelope::Envelope;
use common::timestamp::Timestamp;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::{Bson, Document, deserialize_from_slice, doc};
use mongodb::options::{FindOptions, Hint};
use mongodb::{Collection, IndexModel};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::mongo;
use crate::outbox::acknowledged::Removal;
use crate::outbox::event::OutboxEvent;
use crate::outbox::queue::Relay;
use crate::store::batched::BatchedCollection;
use crate::store::error::StoreError;
use crate::store::index::PartialIndex;
use crate::store::page::PageRequest;
use crate::store::update::{Precondition, Update};

/// When an aggregate's state will next be announced, and how often it has been.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NextAnnouncement {
    pub(crate) at: Timestamp,
    pub(crate) count: u32,
}

/// The collection of one type of aggregate. Filters name the aggregate's fields with the prefix `state.`.
///
/// # Examples
///
/// A change is one compare-and-swap. Where another writer was faster, load and decide again:
///
/// ```
/// use common::aggregate::{Aggregate, ChangeOf};
/// use platform::store::Store;
/// use platform::store::error::StoreError;
///
/// async fn change<A: Aggregate>(
///     store: &Store<A>,
///     id: &str,
///     decide: impl Fn(A) -> (A, ChangeOf<A>),
/// ) -> Result<(), StoreError> {
///     while let Some(current) = store.get(id).await? {
///         let (next, change) = decide(current.state.clone());
///         match store.save(&current, next, change).await {
///             Err(StoreError::VersionConflict) => {}
///             saved => return saved.map(drop),
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Store<A> {
    pub(crate) documents: BatchedCollection,
    pub(crate) relay: Relay,
    clock: SharedClock,
    pub(crate) announce_after: Duration,
    kind: PhantomData<fn() -> A>,
}

impl<A: Aggregate> Store<A> {
    pub(crate) fn new(
        documents: BatchedCollection,
        relay: Relay,
        clock: SharedClock,
        announce_after: Duration,
    ) -> Self {
        Self { documents, relay, clock, announce_after, kind: PhantomData }
    }

    /// The indexes that the platform needs.
    pub(crate) fn platform_indexes() -> Vec<IndexModel> {
        let over_existing =
            |name: &str, field: &str| index::partial(name, doc! { field: 1 }, doc! { field: { "$exists": true } });
        vec![over_existing("outbox_v1", "outbox.0.time"), over_existing("announce_v1", "announce.at")]
    }

    /// The collection without batching, for the outbox workers.
    pub(crate) fn collection(&self) -> &Collection<Document> {
        &self.documents.collection
    }

    /// Another collection of the same database.
    pub(crate) fn sibling<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let namespace = self.documents.collection.namespace();
        self.documents.collection.client().database(&namespace.db).collection(name)
    }

    /// Stores a new aggregate at version 0 with its first event.
    pub async fn insert(&self, state: A, change: ChangeOf<A>) -> Result<Versioned<A>, StoreError> {
        let event = self.event(&state, change, 0);
        self.create(0, state, Some(event)).await
    }

    /// Like [`Store::insert`], without an event. Only for timers, whose creation concerns no other service: consumers
    /// of other aggregates would miss a version.
    pub async fn insert_without_event(&self, state: A) -> Result<Versioned<A>, StoreError> {
        self.create(0, state, None).await
    }

    /// Stores an aggregate at this version: 0, or a higher one if its owner has lost it.
    pub(crate) async fn create(
        &self,
        version: u64,
        state: A,
        event: Option<OutboxEvent>,
    ) -> Result<Versioned<A>, StoreError> {
        let document = self.new_document(version, &state, event.as_ref())?;
        self.documents.insert(document).await?;
        if let Some(event) = event {
            self.relay.enqueue(A::COLLECTION, state.id(), event, None);
        }
        Ok(Versioned { version, state })
    }

    /// The document of an aggregate that is inserted at this version.
    fn new_document(&self, version: u64, state: &A, event: Option<&OutboxEvent>) -> Result<Document, StoreError> {
        let outbox = event.into_iter().map(bson).collect::<Result<Vec<_>, _>>()?;
        let mut document =
            doc! { "_id": state.id(), "version": as_i64(version), "state": bson(state)?, "outbox": outbox };
        if let Some(announce) = self.first_announcement(state)? {
            document.insert("announce", announce);
        }
        Ok(document)
    }

    /// Like [`Store::save`], without an event. Only for timers, like [`Store::insert_without_event`].
    pub async fn save_without_event(&self, current: &Versioned<A>, next: A) -> Result<Versioned<A>, StoreError> {
        self.write(current, current.version + 1, next, None).await
    }

    /// Replaces an aggregate by compare-and-swap on the version of `current`, with the event of the change. Returns
    /// [`StoreError::VersionConflict`] if it was changed since: load it and decide again.
    pub async fn save(&self, current: &Versioned<A>, next: A, change: ChangeOf<A>) -> Result<Versioned<A>, StoreError> {
        let version = current.version + 1;
        let event = self.event(&next, change, version);
        self.write(current, version, next, Some(event)).await
    }

    /// Changes an aggregate by a decision that depends on the aggregate alone. Calls `decide` again after each lost
    /// compare-and-swap. Returns `None` if there is no such aggregate.
    pub async fn update<E: From<StoreError>>(
        &self,
        id: impl ToString,
        decide: impl Fn(&Versioned<A>) -> Result<(A, ChangeOf<A>), E> + Send,
    ) -> Result<Option<Versioned<A>>, E> {
        let id = id.to_string();
        loop {
            let Some(current) = self.get(&id).await? else { return Ok(None) };
            let (next, change) = decide(&current)?;
            match self.save(&current, next, change).await {
                Ok(changed) => return Ok(Some(changed)),
                Err(StoreError::VersionConflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Replaces an aggregate by compare-and-swap, at the next version or, if its replicas are ahead, at a higher one.
    pub(crate) async fn write(
        &self,
        current: &Versioned<A>,
        version: u64,
        next: A,
        event: Option<OutboxEvent>,
    ) -> Result<Versioned<A>, StoreError> {
        let (update, removal) = self.update_to(current.version, version, &next, event.as_ref())?;
        if !self.apply(update, removal).await? {
            return Err(StoreError::VersionConflict);
        }
        if let Some(event) = event {
            self.relay.enqueue(A::COLLECTION, next.id(), event, None);
        }
        Ok(Versioned { version, state: next })
    }

    /// Builds the update from the version `previous` to the next state at `version`. The update also deletes published
    /// events from the outbox. The returned [`Removal`] lists these events.
    fn update_to(
        &self,
        previous: u64,
        version: u64,
        next: &A,
        event: Option<&OutboxEvent>,
    ) -> Result<(Update, Removal), StoreError> {
        let (mut set, mut unset) = (doc! { "version": as_i64(version), "state": bson(next)? }, Vec::new());
        match self.first_announcement(next)? {
            Some(announce) => drop(set.insert("announce", announce)),
            None => unset.push("announce"),
        }
        let (id, pushed) = (next.id(), event.map(bson).transpose()?);
        let event = event.map(|event| event.id.clone());
        let precondition = Precondition::Previous { version: previous, event };
        let removal = self.relay.acknowledged().take(A::COLLECTION, &id);
        let pulled = removal.ids().map(ToOwned::to_owned).collect();
        Ok((Update { id, version, set, unset, pushed, pulled, precondition }, removal))
    }

    /// Applies the update. Returns whether the document had the previous version. If not, or after an error, the events
    /// to remove are left to a later write.
    async fn apply(&self, update: Update, removal: Removal) -> Result<bool, StoreError> {
        let is_applied = self.documents.update(update).await?;
        if is_applied {
            removal.done();
        }
        Ok(is_applied)
    }

    /// The first announcement after a change; none if this state is not announced.
    fn first_announcement(&self, state: &A) -> Result<Option<Bson>, StoreError> {
        let next = || NextAnnouncement { at: self.clock.now().plus(self.announce_after), count: 0 };
        state.is_announced().then(|| bson(&next())).transpose()
    }

    fn event(&self, state: &A, change: ChangeOf<A>, version: u64) -> OutboxEvent {
        OutboxEvent::of(&self.envelope(state, change, version))
    }

    /// Creates the event of a state that a raise (see `outbox::raise`) writes again.
    pub(crate) fn raised_event(&self, state: &A, version: u64) -> OutboxEvent {
        OutboxEvent::of(&Envelope { raised: true, ..self.envelope(state, state.present_change(), version) })
    }

    fn envelope(&self, state: &A, change: ChangeOf<A>, version: u64) -> Envelope<A::Payload> {
        Envelope::new(change, state.id(), version, self.clock.now(), state.payload())
    }

    /// The event that announces the current state.
    pub(crate) fn snapshot(&self, current: &Versioned<A>) -> OutboxEvent {
        self.event(current, ChangeOf::<A>::SNAPSHOT, current.version)
    }

    /// Publishes a snapshot, for a consumer that missed an event. If it is lost, the next announcement repairs that.
    pub fn announce(&self, current: &Versioned<A>) {
        if current.is_announced() {
            self.relay.announce(self.snapshot(current));
        }
    }

    /// Returns the aggregate with this id.
    pub async fn get(&self, id: impl ToString) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(self.find_by("_id", id, Document::new()).await?.into_iter().next())
    }

    /// Like [`Store::get`], without decoding the aggregate.
    pub async fn get_stored(&self, id: impl ToString) -> Result<Option<StoredAggregate>, StoreError> {
        let found = self.documents.find_stored("_id", id.to_string()).await?;
        Ok(found.into_iter().next().map(StoredAggregate))
    }

    /// Like [`Store::get`], but if nothing is found, reads again with read concern linearizable, so that `None` is
    /// certain. A found aggregate may still be old; see [`mongo::find_by_id`].
    pub async fn get_confirming_absence(&self, id: impl ToString) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(mongo::find_by_id(&self.collection().clone_with_type(), &id.to_string()).await?)
    }

    /// Returns the newest version of the aggregate, for decisions that no compare-and-swap follows. Costs a write; see
    /// [`mongo::linearizable`].
    pub async fn get_linearizable(&self, id: impl ToString) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(mongo::linearizable(&self.collection().clone_with_type(), &id.to_string()).await?)
    }

    /// Finds the aggregates that have this text in a field and match `also`, ordered by id. Batches concurrent calls.
    pub async fn find_by(
        &self,
        field: &'static str,
        value: impl ToString,
        also: Document,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        self.documents.find(field, value.to_string(), also).await
    }

    /// Like [`Store::find_by`], for the aggregates in this index only.
    pub async fn find_in(
        &self,
        index: &'static PartialIndex<impl AsRef<str>>,
        value: impl ToString,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        self.documents.find_in(index, value.to_string()).await
    }

    /// Finds any aggregate that matches.
    pub async fn find_one(&self, filter: Document) -> Result<Option<Versioned<A>>, StoreError> {
        self.find_first(filter, Document::new()).await
    }

    /// Finds the first aggregate that matches, in this order.
    pub async fn find_first(&self, filter: Document, order: Document) -> Result<Option<Versioned<A>>, StoreError> {
        let typed = self.collection().clone_with_type::<Versioned<A>>();
        Ok(typed.find_one(filter).sort(order).projection(versioned_fields()).await?)
    }

    /// Finds at most `limit` aggregates that match, in this order, by the index of this name.
    pub async fn find_by_index(
        &self,
        index: &str,
        filter: Document,
        order: Document,
        limit: i64,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        let options = FindOptions::builder().sort(order).limit(limit).hint(Hint::Name(index.to_owned())).build();
        self.documents.query(filter, options).await
    }

    /// Finds at most `limit` aggregates that match, in any order.
    pub async fn find(&self, filter: Document, limit: i64) -> Result<Vec<Versioned<A>>, StoreError> {
        self.find_after_skipping(filter, 0, limit).await
    }

    /// Like [`Store::find`], without the first `skip` matches.
    pub async fn find_after_skipping(
        &self,
        filter: Document,
        skip: u64,
        limit: i64,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        self.documents.query(filter, FindOptions::builder().skip(skip).limit(limit).build()).await
    }

    /// Returns one page of the aggregates that match, newest first by id.
    pub async fn page(&self, filter: Document, request: &PageRequest) -> Result<Page<Versioned<A>>, StoreError> {
        let found: Vec<Versioned<A>> = self.query_page(filter, request).await?;
        Ok(request.to_page(found, |item| item.state.id()))
    }

    /// Like [`Store::page`], without decoding the aggregates.
    pub async fn page_of_stored(
        &self,
        filter: Document,
        request: &PageRequest,
    ) -> Result<Page<StoredAggregate>, StoreError> {
        let found: Vec<RawDocumentBuf> = self.query_page(filter, request).await?;
        let id = |document: &RawDocumentBuf| document.get_str("_id").unwrap_or_default().to_owned();
        Ok(request.to_page(found, id).map(StoredAggregate))
    }

    async fn query_page<T: DeserializeOwned + Send + Sync>(
        &self,
        filter: Document,
        request: &PageRequest,
    ) -> Result<Vec<T>, StoreError> {
        let options = FindOptions::builder().sort(doc! { "_id": -1 }).limit(request.limit + 1).build();
        self.documents.query(request.apply_cursor(filter), options).await
    }
}

/// An aggregate as it is stored, for readers that do not need the aggregate's own type.
#[derive(Debug, Clone)]
pub struct StoredAggregate(RawDocumentBuf);

impl StoredAggregate {
    /// Decodes the aggregate's state as `S`, whose texts may be borrowed.
    pub fn decode<'a, S: Deserialize<'a>>(&'a self) -> Result<Versioned<S>, StoreError> {
        deserialize_from_slice(self.0.as_bytes()).map_err(StoreError::encoding)
    }
}

/// The projection of what [`Versioned`] needs.
pub(crate) fn versioned_fields() -> Document {
    doc! { "version": 1, "state": 1 }
}

pub(crate) fn bson(value: &impl Serialize) -> Result<Bson, StoreError> {
    mongodb::bson::serialize_to_bson(value).map_err(StoreError::encoding)
}

pub(crate) fn as_i64(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
