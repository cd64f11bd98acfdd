//! Idempotency keys: a claim names the id of the entity that a request with a key creates.
//!
//! # Why
//! The claim is stored before the entity. Every repeat finds the same id in it, and `_id` decides which of them inserts
//! the entity. A crash in between leaves a claim without an entity, which the next repeat creates. User and key are the
//! claim's own `_id`, so a key is unique on a sharded cluster too; an index over them in the entity's collection would
//! hold within one shard only. A claim costs one more write for each request with a key.
//!
//! A claim is released only once its entity was found; from then on `_id` rejects every other insert of that entity.
//! Repeats have the same body, so they reach the same shard even where the shard key is taken from the body.

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use common::clock::{Clock as _, SharedClock, SystemClock};
use common::error::{Error, Rejection};
use common::id::UserId;
use common::problem::FieldError;
use common::timestamp::Timestamp;
use mongodb::bson::{DateTime, Document, doc, serialize_to_document};
use mongodb::{Collection, IndexModel};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::batched::BatchedCollection;
use super::error::StoreError;
use super::index;
use crate::mongo;

/// The collection of claims.
pub(crate) const COLLECTION: &str = "claims";
/// How long a claim is valid: a day, and a margin for the duration of a request and for clock skew. After that, a
/// request with the same key is a new one.
const LIFETIME: Duration = Duration::from_secs(24 * 3600 + 300);
/// A repeat does not extend a claim by less than this.
const EXTENSION_STEP: Duration = Duration::from_secs(60);
/// How long MongoDB keeps a claim after the end of its lifetime, so that no valid claim is removed because of clock
/// skew.
const EXPIRY_MARGIN: Duration = Duration::from_secs(3600);
/// Maximum number of attempts to insert a claim or to use an earlier one. An attempt fails if another request removes
/// or extends the earlier claim meanwhile. After the last attempt, the client has to repeat its request.
const MAX_INSERTS: usize = 10;

/// A request's `Idempotency-Key` and the hash of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Chosen by the client, 1 to 255 visible characters.
    pub key: String,
    /// SHA-256 of the request body, in canonical form.
    pub hash: String,
}

/// A claim. `I` is the type of the created entity's id, `A` that of the response stored for repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<I, A = ()> {
    /// The id of the entity that the request creates.
    pub entity_id: I,
    /// When the claim was made.
    pub at: Timestamp,
    /// The response to the request.
    pub response: A,
    /// When the claim expires.
    until: Timestamp,
    /// The claim's own id, and the hash of the body. None if the request has no key: such a claim is not stored.
    stored: Option<(String, String)>,
}

impl<I, A> Claim<I, A> {
    /// Fails unless the request with this key has the body that the claim was made for.
    ///
    /// # Errors
    /// 422 if the body is another one.
    pub fn ensure_same_body(&self, key: Option<&IdempotencyKey>) -> Result<(), Error> {
        match (&self.stored, key) {
            (Some((_, hash)), Some(key)) if *hash != key.hash => {
                let message = "was already used with a different body";
                Err(Error::Unprocessable(vec![FieldError::new("Idempotency-Key", message)]))
            }
            _ => Ok(()),
        }
    }
}

/// A claim as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimDocument<I, A> {
    /// The user and the key. Keys are scoped to a user.
    #[serde(rename = "_id")]
    id: String,
    entity_id: I,
    hash: String,
    at: Timestamp,
    until: Timestamp,
    response: A,
    /// Whether a repeat got the response, so that the client relies on it.
    is_pinned: bool,
    /// When MongoDB removes the document. By the system clock even if a test uses another one, because MongoDB compares
    /// it with the system clock.
    expires_on: DateTime,
}

impl<I, A> From<ClaimDocument<I, A>> for Claim<I, A> {
    fn from(document: ClaimDocument<I, A>) -> Self {
        let ClaimDocument { id, entity_id, hash, at, until, response, .. } = document;
        Self { entity_id, at, response, until, stored: Some((id, hash)) }
    }
}

/// The claims of one service, which all name entities of one type.
pub struct Claims<I, A = ()> {
    documents: BatchedCollection,
    clock: SharedClock,
    kind: PhantomData<fn() -> (I, A)>,
}

impl<I, A> Clone for Claims<I, A> {
    fn clone(&self) -> Self {
        Self { documents: self.documents.clone(), clock: self.clock.clone(), kind: PhantomData }
    }
}

/// The index by which MongoDB removes expired claims.
pub(crate) fn indexes() -> Vec<IndexModel> {
    vec![index::expiry("expiry_v1")]
}

impl<I, A> Claims<I, A>
where
    I: Display + Serialize + DeserializeOwned + Send + Sync,
    A: Serialize + DeserializeOwned + Send + Sync,
{
    pub(crate) fn new(documents: BatchedCollection, clock: SharedClock) -> Self {
        Self { documents, clock, kind: PhantomData }
    }

    /// Finds the claim of an earlier request with the same key, whatever its body. `None` without a key, or when the
    /// key is new or has expired. Its entity may not exist yet.
    pub async fn find(&self, user: UserId, key: Option<&IdempotencyKey>) -> Result<Option<Claim<I, A>>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let found = self.typed().find_one(doc! { "_id": id_of(user, key) }).await?;
        Ok(found.map(Claim::from).filter(|claim| claim.until > self.clock.now()))
    }

    /// Stores a claim, or returns that of an earlier request with the same key. The earlier claim is then valid for
    /// another day, since its entity may be created only now. Without a key, nothing is stored and the claim is a new
    /// one.
    ///
    /// # Errors
    /// 422 if the earlier request had another body; 409 if other requests kept changing the earlier claim.
    pub async fn claim(
        &self,
        user: UserId,
        key: Option<&IdempotencyKey>,
        entity_id: I,
        response: A,
        at: Timestamp,
    ) -> Result<Claim<I, A>, Error> {
        let until = self.clock.now().plus(LIFETIME);
        let Some(key) = key else { return Ok(Claim { entity_id, at, response, until, stored: None }) };
        let (id, hash) = (id_of(user, key), key.hash.clone());
        let expires_on = DateTime::from_millis(SystemClock.now().plus(LIFETIME + EXPIRY_MARGIN).as_millis());
        let new = ClaimDocument { id: id.clone(), entity_id, hash, at, until, response, is_pinned: false, expires_on };
        let document = serialize_to_document(&new).map_err(StoreError::encoding)?;
        for _ in 0..MAX_INSERTS {
            match self.documents.insert(document.clone()).await {
                Ok(()) => return Ok(new.into()),
                Err(StoreError::Duplicate(_)) => {}
                Err(error) => return Err(error.into()),
            }
            let Some(earlier) = mongo::find_by_id(&self.typed(), &id).await.map_err(StoreError::from)? else {
                continue;
            };
            let earlier = Claim::from(earlier);
            let same =
                doc! { "_id": &id, "entityId": earlier.entity_id.to_string(), "until": earlier.until.to_string() };
            if earlier.until <= self.clock.now() {
                self.documents.collection.delete_one(same).await.map_err(StoreError::from)?;
                continue;
            }
            earlier.ensure_same_body(Some(key))?;
            if until.since(earlier.until) < EXTENSION_STEP {
                return Ok(earlier);
            }
            let longer = doc! { "$set": { "until": until.to_string(), "expiresOn": expires_on } };
            let extended = self.documents.collection.update_one(same, longer).await.map_err(StoreError::from)?;
            if extended.matched_count > 0 {
                return Ok(Claim { until, ..earlier });
            }
        }
        Err(in_flight())
    }

    /// Records that a repeat is about to get the response, so that the claim can't be released any more. Returns false
    /// if it was released before.
    pub async fn pin(&self, claim: &Claim<I, A>) -> Result<bool, StoreError> {
        let Some(filter) = same_claim(claim) else { return Ok(true) };
        let update = doc! { "$set": { "isPinned": true } };
        Ok(self.documents.collection.update_one(filter, update).await?.matched_count > 0)
    }

    /// Removes a claim whose entity exists, so that the same request can be repeated as a new one. Returns false if it
    /// has been pinned or released before.
    pub async fn release(&self, claim: &Claim<I, A>) -> Result<bool, StoreError> {
        let Some(mut filter) = same_claim(claim) else { return Ok(true) };
        filter.insert("isPinned", false);
        Ok(self.documents.collection.delete_one(filter).await?.deleted_count > 0)
    }

    fn typed(&self) -> Collection<ClaimDocument<I, A>> {
        self.documents.collection.clone_with_type()
    }
}

/// The user and the key. A user's id has a fixed length, so the text is unambiguous.
fn id_of(user: UserId, key: &IdempotencyKey) -> String {
    format!("{user}/{}", key.key)
}

/// A filter that matches this claim until it is released, and no later claim with the same key. `None` if it is not
/// stored.
fn same_claim<I: Display, A>(claim: &Claim<I, A>) -> Option<Document> {
    let (id, _) = claim.stored.as_ref()?;
    Some(doc! { "_id": id, "entityId": claim.entity_id.to_string() })
}

/// The error of a repeated request while the first one is in flight.
pub fn in_flight() -> Error {
    let rejection = Rejection::new("in-flight", "The first request with this key is still being processed.");
    Error::Conflict(rejection.retry_after(Duration::from_secs(1)))
}
