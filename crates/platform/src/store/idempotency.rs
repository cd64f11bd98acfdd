//! Idempotency keys: remembered inside the document that the request created, so without a second write.

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

/// A request's `Idempotency-IdempotencyKey` with who sent it and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Chosen by the client, 1 to 255 visible characters.
    pub key: String,
    /// SHA-256 of the request's body, in canonical form.
    pub hash: String,
}

/// A key as the created document holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdempotencyRecord {
    /// Who sent it: keys of different users never meet.
    user: String,
    key: String,
    /// The hash of the body.
    hash: String,
    /// The JSON that was answered; none while the request is in flight.
    pub(super) answer: Option<String>,
}

/// A user's request to create an aggregate. If it has an idempotency key, repeats of it create nothing.
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
    Refused(StoreError),
}

impl<A: Aggregate> Idempotent<'_, A> {
    /// Returns the stored answer to an earlier request with the same key. `None` without a key, or when the key is new.
    ///
    /// # Errors
    /// 422 if the key was used with another body; 409 while the first request is in flight.
    pub async fn earlier<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let Some(key) = self.key else { return Ok(None) };
        let Some(claimed) = self.store.claimed(self.user, &key.key).await? else { return Ok(None) };
        if claimed.hash != key.hash {
            let message = "was used before with another body".to_owned();
            return Err(Error::Unprocessable(vec![FieldError {
                field: "Idempotency-IdempotencyKey".to_owned(),
                message,
            }]));
        }
        let answer = claimed.answer.ok_or_else(in_flight)?;
        serde_json::from_str(&answer).map(Some).map_err(Error::internal)
    }

    /// Stores the aggregate at version 0 with its first event, the key, and the answer for repeats. If `answer` is
    /// `None`, repeats get 409 until [`Store::save_answer`] stores one or [`Store::save_and_release_key`] removes the key.
    ///
    /// # Errors
    /// 409 if a concurrent request with the same key is in flight, or has just cancelled what it created.
    pub async fn insert<T: Serialize + DeserializeOwned>(
        &self,
        state: A,
        change: ChangeOf<A>,
        answer: Option<&T>,
    ) -> Result<InsertOutcome<A, T>, Error> {
        let answer = answer.map(serde_json::to_string).transpose().map_err(Error::internal)?;
        let user = self.user.to_string();
        let claimed =
            self.key.map(|key| IdempotencyRecord { user, key: key.key.clone(), hash: key.hash.clone(), answer });
        let refused = match self.store.insert_claimed(state, change, claimed).await {
            Ok(stored) => return Ok(InsertOutcome::Created(stored)),
            Err(refused @ StoreError::Duplicate(_)) => refused,
            Err(error) => return Err(error.into()),
        };
        // The key was taken together with whatever else is unique: whichever index refused the write, the key is
        // looked at first.
        match self.earlier().await? {
            Some(earlier) => Ok(InsertOutcome::Replayed(earlier)),
            None if refused.is_duplicate_of(IDEMPOTENCY_INDEX) => Err(in_flight()),
            None => Ok(InsertOutcome::Refused(refused)),
        }
    }
}

impl<A: Aggregate> Store<A> {
    /// A request of this user that creates an aggregate, with its key if it has one.
    pub fn idempotent<'a>(&'a self, user: UserId, key: Option<&'a IdempotencyKey>) -> Idempotent<'a, A> {
        Idempotent { store: self, user, key }
    }

    /// Like [`Store::save`]; also sets what will be answered to a replay of the key it was created with.
    pub async fn save_answer(
        &self,
        current: &Versioned<A>,
        next: A,
        change: ChangeOf<A>,
        answer: &impl Serialize,
    ) -> Result<Versioned<A>, StoreError> {
        let answer = serde_json::to_string(answer).map_err(StoreError::encoding)?;
        // Only where a key was given: a path below an absent document would create it.
        let keyed =
            self.collection().count_documents(doc! { "_id": next.id(), "idempotency.key": { "$exists": true } });
        let extra = if keyed.await? > 0 {
            doc! { "idempotency.answer": answer, "idempotency.answeredAt": self.clock.now().to_string() }
        } else {
            Document::new()
        };
        self.save_with(current, next, change, extra).await
    }

    /// Like [`Store::save`]; also forgets the key, so that the same request may be tried anew.
    pub async fn save_and_release_key(
        &self,
        current: &Versioned<A>,
        next: A,
        change: ChangeOf<A>,
    ) -> Result<Versioned<A>, StoreError> {
        self.write(current, next, Some(change), Document::new(), doc! { "idempotency": "" }).await
    }

    /// What is remembered of a key.
    async fn claimed(&self, user: UserId, key: &str) -> Result<Option<IdempotencyRecord>, StoreError> {
        let filter = doc! { "idempotency.user": user.to_string(), "idempotency.key": key };
        let found = self.collection().find_one(filter).projection(doc! { "idempotency": 1 }).await?;
        let claimed = found.map(|document| document.get("idempotency").cloned().unwrap_or(Bson::Null));
        claimed.map(mongodb::bson::deserialize_from_bson).transpose().map_err(StoreError::encoding)
    }

    /// Forgets the key that an aggregate was created with, so that the same request may be tried anew; false when
    /// its answer was repeated to somebody, who goes by it.
    pub async fn release_key(&self, id: impl ToString) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "idempotency.repeated": { "$ne": true } };
        let update = doc! { "$unset": { "idempotency": "" } };
        Ok(self.collection().update_one(filter, update).await?.matched_count > 0)
    }

    /// Notes that the answer to this key is about to be repeated; false when the key has been forgotten.
    pub async fn pin_answer(&self, id: impl ToString, key: &IdempotencyKey) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "idempotency.key": &key.key };
        let update = doc! { "$set": { "idempotency.repeated": true } };
        Ok(self.collection().update_one(filter, update).await?.matched_count > 0)
    }
}

/// The first request with a key has yet to end.
pub fn in_flight() -> Error {
    let refusal = Rejection::new("in-flight", "The first request with this key is still being handled.");
    Error::Conflict(refusal.retry_after(Duration::from_secs(1)))
}
