//! The versioned store: one document per aggregate, its outbox inside, one atomic write per change.
//!
//! # Why
//! State and events in one document means one write and no dual write: an event exists if and only
//! if its change does. `{_id, version, state, outbox, announce, idempotency}`; the state is nested,
//! so a field that a new state lacks is gone, and the platform's fields can't collide with it.

pub(crate) mod batched;
pub mod batcher;
pub mod bulk;
pub mod error;
pub mod idempotency;
pub mod page;
pub mod partial;
pub mod replica;

use std::marker::PhantomData;
use std::time::Duration;

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use common::api::page::Page;
use common::clock::SharedClock;
use common::events::Change;
use common::events::envelope::Envelope;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{Hint, IndexOptions};
use mongodb::{Collection, IndexModel};
use serde::{Deserialize, Serialize};

use crate::mongo;
use crate::outbox::event::OutboxEvent;
use crate::outbox::relay::Relay;
use crate::store::batched::{BatchedCollection, Precondition, Update};
use crate::store::error::StoreError;
use crate::store::idempotency::IdempotencyRecord;
use crate::store::page::PageRequest;
use crate::store::partial::PartialIndex;

/// When an aggregate's state will be announced again, and how often it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Announce {
    pub(crate) at: Timestamp,
    pub(crate) count: u32,
}

/// The collection of one kind of aggregate.
pub struct Store<A> {
    documents: BatchedCollection,
    relay: Relay,
    clock: SharedClock,
    announce_after: Duration,
    kind: PhantomData<fn() -> A>,
}

impl<A> Clone for Store<A> {
    fn clone(&self) -> Self {
        Self {
            documents: self.documents.clone(),
            relay: self.relay.clone(),
            clock: self.clock.clone(),
            announce_after: self.announce_after,
            kind: PhantomData,
        }
    }
}

/// The index by which a user's key is unique.
const IDEMPOTENCY_INDEX: &str = "idempotency_v1";

impl<A: Aggregate> Store<A> {
    /// The store over this collection; [`crate::context::Context::store`] makes it.
    pub(crate) fn new(
        documents: BatchedCollection,
        relay: Relay,
        clock: SharedClock,
        announce_after: Duration,
    ) -> Self {
        Self { documents, relay, clock, announce_after, kind: PhantomData }
    }

    /// The indexes that the platform itself needs.
    pub(crate) fn own_indexes() -> Vec<IndexModel> {
        let partial = |keys: Document, name: &str, unique: bool, filter: Document| {
            let options =
                IndexOptions::builder().name(name.to_owned()).unique(unique).partial_filter_expression(filter).build();
            IndexModel::builder().keys(keys).options(options).build()
        };
        vec![
            partial(doc! { "outbox.0.time": 1 }, "outbox_v1", false, doc! { "outbox.0.time": { "$exists": true } }),
            partial(doc! { "announce.at": 1 }, "announce_v1", false, doc! { "announce.at": { "$exists": true } }),
            partial(
                doc! { "idempotency.answeredAt": 1 },
                "answers_v1",
                false,
                doc! { "idempotency.answeredAt": { "$exists": true } },
            ),
            partial(
                doc! { "idempotency.user": 1, "idempotency.key": 1 },
                IDEMPOTENCY_INDEX,
                true,
                doc! { "idempotency.key": { "$exists": true } },
            ),
        ]
    }

    /// The bare collection, for the outbox's workers.
    pub(crate) fn collection(&self) -> &Collection<Document> {
        &self.documents.collection
    }

    /// Another collection of the same database.
    pub(crate) fn sibling<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let namespace = self.documents.collection.namespace();
        self.documents.collection.client().database(&namespace.db).collection(name)
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.relay
    }

    pub(crate) fn announce_after(&self) -> Duration {
        self.announce_after
    }

    /// Stores a new aggregate at version 0 with its first event.
    pub async fn insert(&self, state: A, change: ChangeOf<A>) -> Result<Versioned<A>, StoreError> {
        self.insert_claimed(state, change, None).await
    }

    /// Like [`Store::insert`], with the idempotency key of the request.
    async fn insert_claimed(
        &self,
        state: A,
        change: ChangeOf<A>,
        claimed: Option<IdempotencyRecord>,
    ) -> Result<Versioned<A>, StoreError> {
        let id = state.id();
        let event = self.event(&state, change, 0);
        let mut document = doc! {
            "_id": &id,
            "version": 0_i64,
            "state": bson(&state)?,
            "outbox": [bson(&event)?],
        };
        if let Some(announce) = self.first_announcement(&state)? {
            document.insert("announce", announce);
        }
        if let Some(claimed) = claimed {
            let is_answered = claimed.answer.is_some();
            let mut claimed = doc! { "idempotency": bson(&claimed)? };
            if is_answered && let Ok(claimed) = claimed.get_document_mut("idempotency") {
                claimed.insert("answeredAt", self.clock.now().to_string());
            }
            document.extend(claimed);
        }
        self.documents.insert(document).await?;
        self.relay.enqueue(A::COLLECTION, id, event);
        Ok(Versioned { version: 0, state })
    }

    /// Like [`Store::insert`], without an event. For timers alone, whose setting is nobody's business:
    /// of anything else others would miss a version.
    pub async fn insert_without_event(&self, state: A) -> Result<Versioned<A>, StoreError> {
        let mut document = doc! { "_id": state.id(), "version": 0_i64, "state": bson(&state)?, "outbox": [] };
        if let Some(announce) = self.first_announcement(&state)? {
            document.insert("announce", announce);
        }
        self.documents.insert(document).await?;
        Ok(Versioned { version: 0, state })
    }

    /// Like [`Store::save`], without an event. For timers alone, as [`Store::insert_without_event`] is.
    pub async fn save_without_event(&self, current: &Versioned<A>, next: A) -> Result<Versioned<A>, StoreError> {
        self.write(current, next, None, Document::new(), Document::new()).await
    }

    /// Replaces an aggregate that is still at the version that `current` was read at, with the event
    /// of the change; [`StoreError::Stale`] when somebody was faster: load it and decide again.
    pub async fn save(&self, current: &Versioned<A>, next: A, change: ChangeOf<A>) -> Result<Versioned<A>, StoreError> {
        self.save_with(current, next, change, Document::new()).await
    }

    /// Changes an aggregate by a decision that depends on the aggregate alone. `decide` is called again whenever
    /// somebody else has changed it meanwhile. `None` when there is no such aggregate.
    pub async fn update<E: std::convert::From<StoreError>>(
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
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn save_with(
        &self,
        current: &Versioned<A>,
        next: A,
        change: ChangeOf<A>,
        set: Document,
    ) -> Result<Versioned<A>, StoreError> {
        self.write(current, next, Some(change), set, Document::new()).await
    }

    async fn write(
        &self,
        current: &Versioned<A>,
        next: A,
        change: Option<ChangeOf<A>>,
        set: Document,
        unset: Document,
    ) -> Result<Versioned<A>, StoreError> {
        let version = current.version + 1;
        let event = change.map(|change| self.event(&next, change, version));
        let update = self.statement(version, &next, event.as_ref(), set, unset)?;
        if !self.documents.update(update).await? {
            return Err(StoreError::Stale);
        }
        if let Some(event) = event {
            self.relay.enqueue(A::COLLECTION, next.id(), event);
        }
        Ok(Versioned { version, state: next })
    }

    /// For the aggregate to become this at `version`.
    fn statement(
        &self,
        version: u64,
        next: &A,
        event: Option<&OutboxEvent>,
        mut set: Document,
        mut unset: Document,
    ) -> Result<Update, StoreError> {
        set.insert("version", as_i64(version));
        set.insert("state", bson(next)?);
        match self.first_announcement(next)? {
            Some(announce) => set.insert("announce", announce),
            None => unset.insert("announce", ""),
        };
        let mut change = doc! { "$set": set };
        if let Some(event) = event {
            change.insert("$push", doc! { "outbox": bson(event)? });
        }
        if !unset.is_empty() {
            change.insert("$unset", unset);
        }
        let precondition = Precondition::Previous { event: event.map(|event| event.id.clone()) };
        Ok(Update { id: next.id(), version, change, precondition })
    }

    /// When a state that has just been written will be announced again, if it ever is.
    fn first_announcement(&self, state: &A) -> Result<Option<Bson>, StoreError> {
        let at = || Announce { at: self.clock.now().plus(self.announce_after), count: 0 };
        state.is_announced().then(|| bson(&at())).transpose()
    }

    /// The event of a change, ready to be published.
    fn event(&self, state: &A, change: ChangeOf<A>, version: u64) -> OutboxEvent {
        OutboxEvent::of(&Envelope::new(change, state.id(), version, self.clock.now(), state.payload()))
    }

    /// An announcement of the present state, ready to be published.
    pub(crate) fn snapshot(&self, current: &Versioned<A>) -> OutboxEvent {
        self.event(current, ChangeOf::<A>::SNAPSHOT, current.version)
    }

    /// Publishes the present state again, now and without a change: for a peer that missed an event.
    /// A loss is repaired by the next announcement.
    pub fn announce(&self, current: &Versioned<A>) {
        if current.is_announced() {
            self.relay.announce(self.snapshot(current));
        }
    }

    /// The aggregate with this id.
    pub async fn get(&self, id: impl ToString) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(self.find_by("_id", id, Document::new()).await?.into_iter().next())
    }

    /// Like [`Store::get`], where an answer of none decides something: it is looked for again by a linearizable read,
    /// as [`mongo::find_by_id`] says.
    pub async fn get_linearizable(&self, id: impl ToString) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(mongo::find_by_id(&self.typed(), &id.to_string()).await?)
    }

    /// The aggregates with this text in a field, by id, of those that match `also`; fields of the
    /// aggregate are under `state.`. Cheaper than [`Store::find`] when many ask at once.
    pub async fn find_by(
        &self,
        field: &'static str,
        value: impl ToString,
        also: Document,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        self.documents.find(field, value.to_string(), also).await
    }

    /// The aggregates with this text in the index's field that are in the index, by id: examines no others.
    pub async fn find_in(
        &self,
        index: &'static PartialIndex<impl AsRef<str>>,
        value: impl ToString,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        self.documents.find_in(index, value.to_string()).await
    }

    /// One aggregate that matches; fields of the aggregate are under `state.`.
    pub async fn find_one(&self, filter: Document) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(self.typed().find_one(filter).projection(doc! { "version": 1, "state": 1 }).await?)
    }

    /// The first in this order of the aggregates that match; fields are under `state.`.
    pub async fn first(&self, filter: Document, order: Document) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(self.typed().find_one(filter).sort(order).projection(doc! { "version": 1, "state": 1 }).await?)
    }

    /// The aggregates that match, in this order and at most `limit`, found by the index of this name; fields are
    /// under `state.`.
    pub async fn find_by_index(
        &self,
        index: &str,
        filter: Document,
        order: Document,
        limit: i64,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        let typed = self.typed();
        let find = typed.find(filter).projection(doc! { "version": 1, "state": 1 }).sort(order).limit(limit);
        Ok(find.hint(Hint::Name(index.to_owned())).await?.try_collect().await?)
    }

    /// The aggregates that match, at most `limit`, in no order; fields are under `state.`.
    pub async fn find(&self, filter: Document, limit: i64) -> Result<Vec<Versioned<A>>, StoreError> {
        self.find_after_skipping(filter, 0, limit).await
    }

    /// Like [`Store::find`], leaving out the first `skip` of them.
    pub async fn find_after_skipping(
        &self,
        filter: Document,
        skip: u64,
        limit: i64,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        let typed = self.typed();
        let found = typed.find(filter).projection(doc! { "version": 1, "state": 1 }).skip(skip).limit(limit);
        Ok(found.await?.try_collect().await?)
    }

    /// One page of those that match, newest first by id.
    pub async fn page(&self, filter: Document, request: &PageRequest) -> Result<Page<Versioned<A>>, StoreError> {
        let typed = self.typed();
        let find = typed.find(request.narrow(filter)).projection(doc! { "version": 1, "state": 1 });
        let found: Vec<Versioned<A>> =
            find.sort(doc! { "_id": -1 }).limit(request.limit + 1).await?.try_collect().await?;
        Ok(request.cut(found, |item| item.state.id()))
    }

    pub(crate) fn typed(&self) -> Collection<Versioned<A>> {
        self.collection().clone_with_type()
    }
}

pub(crate) fn bson(value: &impl Serialize) -> Result<Bson, StoreError> {
    mongodb::bson::serialize_to_bson(value).map_err(StoreError::encoding)
}

pub(crate) fn as_i64(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
