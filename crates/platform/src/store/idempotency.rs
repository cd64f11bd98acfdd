//! Idempotency keys: remembered inside the document that the request created, so without a second write.

use std::time::Duration;

use common::error::{Error, Refusal};
use common::id::UserId;
use common::problem::FieldError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::{Aggregate, Store};

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
            let refusal = Refusal::new("in-flight", "The first request with this key is still being handled.");
            return Err(Error::Conflict(refusal.retry_after(Duration::from_secs(1))));
        };
        serde_json::from_str(&answer).map(Some).map_err(Error::internal)
    }
}
