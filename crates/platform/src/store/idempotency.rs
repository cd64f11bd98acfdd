//! Idempotency keys, stored in the document that the request created, so that no second write is needed.

use std::time::Duration;

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use common::error::{Error, Rejection};
use common::id::UserId;
use common::problem::FieldError;
use mongodb::bson::{Bson, Document, doc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::{IDEMPOTENCY_INDEX, Store};
use crate::mongo;

/// A request's `Idempotency-Key` and the hash of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Chosen by the client, 1 to 255 visible characters.
    pub key: String,
    /// SHA-256 of the request body, in canonical form.
    pub hash: String,
}

/// A key as it is stored in the created document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdempotencyRecord {
    /// The sender. Keys are scoped to a user.
    user: String,
    key: String,
    hash: String,
    /// The answer as JSON; none while the request is in flight.
    pub(super) answer: Option<String>,
}

/// A user's request to create an aggregate. With an idempotency key, a repeated request creates nothing.
pub struct Idempotent<'a, A> {
    store: &'a Store<A>,
    user: UserId,
    key: Option<&'a IdempotencyKey>,
}

/// The outcome of [`Idempotent::insert`].
#[derive(Debug)]
pub enum InsertOutcome<A, T> {
    /// The aggregate was stored.
    Created(Versioned<A>),
    /// A concurrent request with the same key was stored first; this is its answer.
    Replayed(T),
    /// The insert violated a unique index that the service declares.
    Duplicate(StoreError),
}

impl<A: Aggregate> Idempotent<'_, A> {
    /// Returns the stored answer to an earlier request with the same key. `None` without a key, or when the key is new.
    ///
    /// # Errors
    /// 422 if the key was used with another body; 409 while the first request is in flight.
    pub async fn find_replay<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let Some(key) = self.key else { return Ok(None) };
        let Some(record) = self.store.idempotency_record(self.user, &key.key).await? else { return Ok(None) };
        if record.hash != key.hash {
            let message = "was already used with a different body".to_owned();
            return Err(Error::Unprocessable(vec![FieldError { field: "Idempotency-Key".to_owned(), message }]));
        }
        let answer = record.answer.ok_or_else(in_flight)?;
        serde_json::from_str(&answer).map(Some).map_err(Error::internal)
    }

    /// Stores the aggregate at version 0 with its first event, the key, and the answer for replays. Without an answer,
    /// repeats get 409 until [`Store::save_answer`] stores one or [`Store::save_and_release_key`] removes the key.
    ///
    /// # Errors
    /// 409 if a concurrent request with the same key is in flight, or has just released the key.
    pub async fn insert<T: Serialize + DeserializeOwned>(
        &self,
        state: A,
        change: ChangeOf<A>,
        answer: Option<&T>,
    ) -> Result<InsertOutcome<A, T>, Error> {
        let answer = answer.map(serde_json::to_string).transpose().map_err(Error::internal)?;
        let user = self.user.to_string();
        let record =
            self.key.map(|key| IdempotencyRecord { user, key: key.key.clone(), hash: key.hash.clone(), answer });
        let duplicate = match self.store.create(state, Some(change), record).await {
            Ok(stored) => return Ok(InsertOutcome::Created(stored)),
            Err(duplicate @ StoreError::Duplicate(_)) => duplicate,
            Err(error) => return Err(error.into()),
        };
        // A repeated request violates the key's index and possibly another one, and MongoDB reports either. So the key
        // is checked first, whichever index was reported.
        match self.find_replay().await? {
            Some(answer) => Ok(InsertOutcome::Replayed(answer)),
            None if duplicate.is_duplicate_of(IDEMPOTENCY_INDEX) => Err(in_flight()),
            None => Ok(InsertOutcome::Duplicate(duplicate)),
        }
    }
}

impl<A: Aggregate> Store<A> {
    /// A user's request to create an aggregate, with its idempotency key if it has one.
    pub fn idempotent<'a>(&'a self, user: UserId, key: Option<&'a IdempotencyKey>) -> Idempotent<'a, A> {
        Idempotent { store: self, user, key }
    }

    /// Like [`Store::save`]; also stores the answer for replays of the key that the aggregate was created with.
    pub async fn save_answer(
        &self,
        current: &Versioned<A>,
        next: A,
        change: ChangeOf<A>,
        answer: &impl Serialize,
    ) -> Result<Versioned<A>, StoreError> {
        let answer = serde_json::to_string(answer).map_err(StoreError::encoding)?;
        // Only if the request had a key: setting a nested field would create an absent `idempotency` document.
        let stored = mongo::find_by_id(self.collection(), &next.id()).await?;
        let record = stored.as_ref().and_then(|stored| stored.get_document("idempotency").ok());
        let set = if record.is_some_and(|record| record.contains_key("key")) {
            doc! { "idempotency.answer": answer, "idempotency.answeredAt": self.clock.now().to_string() }
        } else {
            Document::new()
        };
        self.write(current, next, Some(change), set, Document::new()).await
    }

    /// Like [`Store::save`]; also removes the key, so that the same request can be retried as a new one.
    pub async fn save_and_release_key(
        &self,
        current: &Versioned<A>,
        next: A,
        change: ChangeOf<A>,
    ) -> Result<Versioned<A>, StoreError> {
        self.write(current, next, Some(change), Document::new(), doc! { "idempotency": "" }).await
    }

    async fn idempotency_record(&self, user: UserId, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        let filter = doc! { "idempotency.user": user.to_string(), "idempotency.key": key };
        let found = self.collection().find_one(filter).projection(doc! { "idempotency": 1 }).await?;
        let record = found.map(|document| document.get("idempotency").cloned().unwrap_or(Bson::Null));
        record.map(mongodb::bson::deserialize_from_bson).transpose().map_err(StoreError::encoding)
    }

    /// Removes the key that an aggregate was created with, so that the same request can be retried as a new one.
    /// Returns false if the answer has been replayed: the client relies on it.
    pub async fn release_key(&self, id: impl ToString) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "idempotency.repeated": { "$ne": true } };
        let update = doc! { "$unset": { "idempotency": "" } };
        Ok(self.collection().update_one(filter, update).await?.matched_count > 0)
    }

    /// Records that the answer is about to be replayed. Returns false if the key has been released.
    pub async fn pin_answer(&self, id: impl ToString, key: &IdempotencyKey) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "idempotency.key": &key.key };
        let update = doc! { "$set": { "idempotency.repeated": true } };
        Ok(self.collection().update_one(filter, update).await?.matched_count > 0)
    }
}

/// The error of a repeated request while the first one is in flight.
pub fn in_flight() -> Error {
    let rejection = Rejection::new("in-flight", "The first request with this key is still being processed.");
    Error::Conflict(rejection.retry_after(Duration::from_secs(1)))
}
