//! Drafts: what sellers have typed about listings, kept until it is listed. Like watches, they are data of this service
//! itself.
//!
//! # Why
//! Only the visitor who typed a draft may open it: a user, or, where there was no session, the browser with the
//! visitor's cookie. The id is unguessable too, since it is chosen before anything is stored: a form has its id from
//! the start, so that going back to it finds what was typed. Saving a draft with an id that another visitor has makes
//! another draft.
//!
//! A draft's idempotency key is valid for a day after it was first sent. The draft ends by then, so that it is not
//! listed twice.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use common::aggregate::ShardKey;
use common::id::{TicketId, UserId};
use common::problem::Problem;
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::{Bson, DateTime, Document, doc, serialize_to_bson};
use mongodb::{Collection, Database};
use platform::app::App;
use platform::mongo;
use platform::store::error::StoreError;
use platform::store::index::expiry;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::index;
use crate::domain::listing_form::ListingForm;

const DRAFTS: &str = "drafts";
/// How long a user's draft is kept.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a draft is kept that was typed without a session.
pub(crate) const VISITOR_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a draft is kept once it was sent: as long as an idempotency key is valid.
const LIFETIME_ONCE_SENT: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of drafts of one user, and of all visitors of one network. The oldest ones go.
const MAX_DRAFTS: u64 = 50;
/// How many drafts are removed at a time.
const REMOVED_AT_A_TIME: i64 = 100;
/// Maximum number of attempts to save. An attempt fails if the id is taken meanwhile.
const MAX_ATTEMPTS: usize = 4;

/// An unguessable id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DraftId(String);

impl DraftId {
    pub(crate) fn random() -> Self {
        Self(random_text())
    }

    /// Parses an id; `None` if the text can't be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 16).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for DraftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 random bits, for URLs and cookies.
pub(crate) fn random_text() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// Who has typed a draft.
#[derive(Debug, Clone)]
pub(crate) struct DraftOwner {
    name: String,
    /// The drafts with the same value are bounded together.
    bounded_by: String,
    lifetime: Duration,
}

impl DraftOwner {
    pub(crate) fn user(id: UserId) -> Self {
        let name = format!("user:{id}");
        Self { bounded_by: name.clone(), name, lifetime: LIFETIME }
    }

    /// The visitor whose browser has this secret in a cookie.
    pub(crate) fn visitor(secret: &str, address: IpAddr) -> Self {
        // Anyone can make up a cookie, but not an address. With IPv6 each household has a network of them.
        let network = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("{:016x}", address.to_bits() >> 64),
        };
        let [name, bounded_by] = [("visitor", secret), ("network", network.as_str())]
            .map(|(kind, text)| format!("{kind}:{}", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))));
        Self { name, bounded_by, lifetime: VISITOR_LIFETIME }
    }
}

/// A stored draft.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Draft {
    #[serde(rename = "_id")]
    pub id: DraftId,
    owner: String,
    /// The idempotency key under which it is listed.
    pub key: String,
    /// The number of times that it was saved.
    pub revision: i64,
    pub form: ListingForm,
    /// The listing that it changes; `None` for a new one.
    pub editing: Option<TicketId>,
    /// Whether the seller thinks that it is complete.
    pub is_complete: bool,
    /// Why the tickets service did not accept it.
    pub rejection: Option<Problem>,
    /// The listing that it has become.
    pub listing: Option<TicketId>,
    expires_on: DateTime,
}

impl Draft {
    pub(crate) fn is_of(&self, owner: &DraftOwner) -> bool {
        self.owner == owner.name
    }
}

/// What a posted form changes of a draft.
#[derive(Debug, Clone)]
pub(crate) struct DraftContents {
    pub form: ListingForm,
    pub editing: Option<TicketId>,
    pub is_complete: bool,
    /// The revision of the draft that this replaces: 0 if there must be no draft yet, `None` for any revision.
    pub replaces: Option<i64>,
}

/// The outcome of saving a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It has this id.
    As(DraftId),
    /// Nothing was saved: the draft has become this listing already.
    Listed(TicketId),
}

/// The drafts; cheap to clone.
#[derive(Clone)]
pub(crate) struct DraftStore(Collection<Draft>);

impl DraftStore {
    pub(crate) fn new(database: &Database) -> Self {
        Self(database.collection(DRAFTS))
    }

    pub(crate) async fn find(&self, id: &DraftId, now: Timestamp) -> Result<Option<Draft>, StoreError> {
        let found = mongo::find_by_id(&self.0, &id.0).await?;
        // MongoDB removes what has expired a little later.
        Ok(found.filter(|draft| draft.expires_on > date(now)))
    }

    /// Stores or replaces the owner's draft. If the id is taken by another owner, it gets another one and keeps the
    /// idempotency key, so that a form that was posted with and without a session is listed once.
    pub(crate) async fn save(
        &self,
        id: &DraftId,
        owner: &DraftOwner,
        contents: &DraftContents,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let (mut id, mut key, mut until) = (id.clone(), id.0.clone(), date(now.plus(owner.lifetime)));
        for _ in 0..MAX_ATTEMPTS {
            match self.write(&id, &key, owner, contents, until, now).await {
                Ok(()) => return Ok(Saved::As(id)),
                Err(StoreError::Duplicate(_)) => {}
                Err(error) => return Err(error),
            }
            let Some(taken) = mongo::find_by_id(&self.0, &id.0).await? else { continue };
            if taken.expires_on <= date(now) {
                self.0.delete_one(doc! { "_id": &id.0, "expiresOn": { "$lte": date(now) } }).await?;
            } else if !taken.is_of(owner) {
                (id, key, until) = (DraftId::random(), taken.key, until.min(taken.expires_on));
            } else if let Some(listing) = taken.listing {
                return Ok(Saved::Listed(listing));
            }
            // Otherwise a second click was quicker: replace what it has stored.
        }
        Err(StoreError::VersionConflict)
    }

    /// Stores a form that its owner is still typing. Does nothing if the draft has changed since it was read.
    pub(crate) async fn keep(
        &self,
        id: &DraftId,
        owner: &DraftOwner,
        contents: &DraftContents,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.write(id, &id.0, owner, contents, date(now.plus(owner.lifetime)), now).await {
            Ok(()) | Err(StoreError::Duplicate(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stores the draft.
    ///
    /// # Errors
    /// `Duplicate` if there is a draft with this id that can't be replaced: it belongs to another owner, it is listed, it
    /// has expired, or its revision is not `contents.replaces`.
    async fn write(
        &self,
        id: &DraftId,
        key: &str,
        owner: &DraftOwner,
        contents: &DraftContents,
        until: DateTime,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let set = doc! {
            "form": serialize_to_bson(&contents.form).map_err(StoreError::encoding)?,
            "editing": contents.editing.map(|id| id.to_string()),
            "isComplete": contents.is_complete,
            "rejection": Bson::Null,
        };
        // Saving does not extend its life: its key may have been sent.
        let on_insert = doc! { "key": key, "boundedBy": &owner.bounded_by, "expiresOn": until };
        let update = doc! { "$set": set, "$inc": { "revision": 1_i64 }, "$setOnInsert": on_insert };
        let lives = doc! { "$gt": date(now) };
        let mut filter = doc! { "_id": &id.0, "owner": &owner.name, "listing": Bson::Null, "expiresOn": lives };
        if let Some(revision) = contents.replaces {
            filter.insert("revision", revision);
        }
        let written = self.0.update_one(filter, update).upsert(true).await?;
        if written.upserted_id.is_some() {
            self.remove_oldest(owner, id).await?;
        }
        Ok(())
    }

    /// Makes a visitor's draft the user's. Returns false if it is not the visitor's.
    pub(crate) async fn adopt(
        &self,
        id: &DraftId,
        visitor: &DraftOwner,
        user: &DraftOwner,
    ) -> Result<bool, StoreError> {
        let set = doc! { "owner": &user.name, "boundedBy": &user.bounded_by };
        let written = self.0.update_one(doc! { "_id": &id.0, "owner": &visitor.name }, doc! { "$set": set }).await?;
        let is_adopted = written.matched_count > 0;
        if is_adopted {
            self.remove_oldest(user, id).await?;
        }
        Ok(is_adopted)
    }

    /// Notes that the draft's key is about to be sent, in all of the owner's drafts that have it. Returns false if the
    /// draft was saved or listed since it was read.
    pub(crate) async fn begin_listing(
        &self,
        draft: &Draft,
        owner: &DraftOwner,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let filter = doc! { "_id": &draft.id.0, "revision": draft.revision, "listing": Bson::Null };
        let update = doc! { "$min": { "expiresOn": date(now.plus(LIFETIME_ONCE_SENT)) } };
        let is_current = self.0.update_one(filter, update.clone()).await?.matched_count > 0;
        if is_current {
            // A form that was posted with and without a session has left two drafts.
            self.0.update_many(doc! { "key": &draft.key, "owner": &owner.name }, update).await?;
        }
        Ok(is_current)
    }

    /// Notes the listing that the draft has become.
    pub(crate) async fn note_listed(&self, id: &DraftId, listing: TicketId) -> Result<(), StoreError> {
        let update = doc! { "$set": { "listing": listing.to_string() } };
        self.0.update_one(doc! { "_id": &id.0 }, update).await?;
        Ok(())
    }

    /// Notes why the draft was rejected, unless it was saved since this revision.
    pub(crate) async fn note_rejected(&self, id: &DraftId, revision: i64, problem: &Problem) -> Result<(), StoreError> {
        let problem = serialize_to_bson(problem).map_err(StoreError::encoding)?;
        let update = doc! { "$set": { "rejection": problem } };
        self.0.update_one(doc! { "_id": &id.0, "revision": revision }, update).await?;
        Ok(())
    }

    /// Removes the drafts that are too many, but not the one that was just stored: it may be the first to expire.
    async fn remove_oldest(&self, owner: &DraftOwner, stored: &DraftId) -> Result<(), StoreError> {
        let drafts = self.0.clone_with_type::<Document>();
        let others = doc! { "boundedBy": &owner.bounded_by, "_id": { "$ne": &stored.0 } };
        let beyond = drafts.find(others).sort(doc! { "expiresOn": -1 });
        let beyond = beyond.projection(doc! { "_id": 1 }).skip(MAX_DRAFTS - 1).limit(REMOVED_AT_A_TIME);
        let oldest: Vec<Document> = beyond.await?.try_collect().await?;
        let ids: Vec<Bson> = oldest.iter().filter_map(|draft| draft.get("_id").cloned()).collect();
        if !ids.is_empty() {
            drafts.delete_many(doc! { "_id": { "$in": ids } }).await?;
        }
        Ok(())
    }
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}

pub(crate) fn with_collections(app: App) -> App {
    let bound = index("bound_v1", doc! { "boundedBy": 1, "expiresOn": -1 });
    app.indexes(DRAFTS, ShardKey::ID, vec![bound, index("key_v1", doc! { "key": 1 }), expiry("expiry_v1")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_parsed_strictly() {
        let id = DraftId::random();
        assert_eq!(DraftId::parse(&id.to_string()), Some(id.clone()));
        assert_ne!(DraftId::random(), id);
        for text in ["", "new", "../../account", &id.to_string()[1..], &format!("{id}A")] {
            assert_eq!(DraftId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn visitors_are_bounded_by_network_and_told_apart_by_cookie() {
        let visitor = |secret: &str, address: &str| DraftOwner::visitor(secret, address.parse().unwrap());
        let (one, other) = (visitor("a", "2001:db8::1"), visitor("b", "2001:db8::2"));
        assert_eq!(one.bounded_by, other.bounded_by);
        assert_ne!(one.name, other.name);
        assert_ne!(one.bounded_by, visitor("a", "2001:db8:1::1").bounded_by);
        assert!(!one.bounded_by.contains("2001") && !one.name.ends_with(":a"), "neither is stored as it is");
    }
}
