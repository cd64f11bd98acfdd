//! Idempotency keys: remembered inside the document that the request created, so without a second write.

use std::time::Duration;

use common::error::{Error, Refusal};
use common::id::UserId;
use common::problem::FieldError;
use mongodb::bson::{Bson, Document, doc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::{Aggregate, ChangeOf, Store, Versioned};

/// A request's `Idempotency-Key` with who sent it and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Chosen by the client, 1 to 255 visible characters.
    pub key: String,
    /// SHA-256 of the request's body, in canonical form.
    pub hash: String,
}

/// A key as the created document holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Who sent it: keys of different users never meet.
    pub user: String,
    /// The key.
    pub key: String,
    /// The hash of the body.
    pub hash: String,
    /// The JSON that was answered; none while the request is in flight.
    pub answer: Option<String>,
}

/// What is known of a key that was used before.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The entity that the first request created.
    pub id: String,
    /// The key, with the answer.
    pub claimed: Claimed,
}

impl Key {
    /// The key with the answer that a replay will get; `None` while the answer is not known.
    pub fn claim<T: Serialize>(&self, user: UserId, answer: Option<&T>) -> Result<Claimed, StoreError> {
        let answer = answer.map(serde_json::to_string).transpose().map_err(StoreError::encoding)?;
        Ok(Claimed { user: user.to_string(), key: self.key.clone(), hash: self.hash.clone(), answer })
    }

    /// What was answered the first time, with the entity's id: `None` when the key is new, 422 when
    /// it was used with another body, 409 while the first request is in flight.
    pub async fn replay<A: Aggregate, T: DeserializeOwned>(
        &self,
        user: UserId,
        store: &Store<A>,
    ) -> Result<Option<T>, Error> {
        let Some(remembered) = store.remembered(&user.to_string(), &self.key).await? else { return Ok(None) };
        if remembered.claimed.hash != self.hash {
            let message = "was used before with another body".to_owned();
            return Err(Error::Unprocessable(vec![FieldError { field: "Idempotency-Key".to_owned(), message }]));
        }
        let Some(answer) = remembered.claimed.answer else {
            return Err(in_flight());
        };
        serde_json::from_str(&answer).map(Some).map_err(Error::internal)
    }
}

impl<A: Aggregate> Store<A> {
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
    pub async fn save_forgetting(
        &self,
        current: &Versioned<A>,
        next: A,
        change: ChangeOf<A>,
    ) -> Result<Versioned<A>, StoreError> {
        self.write(current, next, Some(change), Document::new(), doc! { "idempotency": "" }).await
    }

    /// What was answered to the request that this key was first used with.
    pub async fn remembered(&self, user: &str, key: &str) -> Result<Option<Remembered>, StoreError> {
        let filter = doc! { "idempotency.user": user, "idempotency.key": key };
        let found = self.collection().find_one(filter).projection(doc! { "idempotency": 1 }).await?;
        let Some(document) = found else { return Ok(None) };
        let id = document.get_str("_id").unwrap_or_default().to_owned();
        let claimed = document.get("idempotency").cloned().unwrap_or(Bson::Null);
        let claimed: Claimed = mongodb::bson::deserialize_from_bson(claimed).map_err(StoreError::encoding)?;
        Ok(Some(Remembered { id, claimed }))
    }

    /// Forgets the key that an aggregate was created with, so that the same request may be tried anew; false when
    /// its answer was repeated to somebody, who goes by it.
    pub async fn forget_key(&self, id: impl ToString) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "idempotency.repeated": { "$ne": true } };
        let update = doc! { "$unset": { "idempotency": "" } };
        Ok(self.collection().update_one(filter, update).await?.matched_count > 0)
    }

    /// Notes that the answer to this key is about to be repeated; false when the key has been forgotten.
    pub async fn keep_answer(&self, id: impl ToString, key: &Key) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "idempotency.key": &key.key };
        let update = doc! { "$set": { "idempotency.repeated": true } };
        Ok(self.collection().update_one(filter, update).await?.matched_count > 0)
    }
}

/// The first request with a key has yet to end.
pub fn in_flight() -> Error {
    let refusal = Refusal::new("in-flight", "The first request with this key is still being handled.");
    Error::Conflict(refusal.retry_after(Duration::from_secs(1)))
}
