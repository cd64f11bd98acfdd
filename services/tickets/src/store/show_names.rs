//! Which show each name means: the claims by which listings find their show.
//!
//! # Why
//! The name's hash is the `_id`, so a name means one show on a sharded cluster too. The claim is written before the
//! show, and the `_id` of the show decides which of several concurrent listings makes it. A crash in between leaves a
//! claim without a show; the next listing of that name makes the show. A moved or renamed show keeps its earlier names
//! and gets a new one; those of a merged show are pointed to the show that remains.
//!
//! If a member of the staff moves a show to a wrong date and back, the show must not keep the name with that date,
//! because a later listing for that date would join the show. So once a show has an earlier name again, the names that
//! it got since are released, unless a listing has found the show by them. A listing and a release that happen at the
//! same time are decided by one compare-and-swap of the claim.

use common::aggregate::{Aggregate as _, Versioned};
use common::error::Error;
use common::id::ShowId;
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::doc;
use mongodb::{Collection, Database, IndexModel};
use platform::store::error::StoreError;
use platform::store::index;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::show::Show;

/// The collection of names.
pub(crate) const SHOW_NAMES: &str = "show_names";
/// How often a listing looks for a name that other writers keep changing.
const MAX_ATTEMPTS: usize = 5;

pub(crate) fn show_name_indexes() -> Vec<IndexModel> {
    vec![index::named("show_v1", doc! { "showId": 1 })]
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NameClaim {
    /// SHA-256 of the name, in hexadecimal.
    #[serde(rename = "_id")]
    id: String,
    show_id: ShowId,
    /// The show's version when it got the name.
    version: i64,
    /// Whether the name stays when the show returns to an earlier one: a listing used it, or a merge brought it.
    is_kept: bool,
    at: Timestamp,
}

/// The show that a name means.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedShow {
    pub(crate) show_id: ShowId,
    is_kept: bool,
    /// At most one. None if a crash came between claim and show, or if the show is just being made.
    show: Vec<Versioned<Show>>,
}

impl NamedShow {
    /// The show, if it exists.
    pub(crate) fn into_show(self) -> Option<Versioned<Show>> {
        self.show.into_iter().next()
    }
}

/// The collection of names.
#[derive(Clone)]
pub(crate) struct ShowNames(Collection<NameClaim>);

impl ShowNames {
    pub(crate) fn new(database: &Database) -> Self {
        Self(database.collection(SHOW_NAMES))
    }

    /// Finds the show that this name means, with one read.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<NamedShow>, StoreError> {
        let show = doc! {
            "from": Show::COLLECTION, "localField": "showId", "foreignField": "_id", "as": "show",
            "pipeline": [{ "$project": { "version": 1, "state": 1 } }],
        };
        let pipeline = [doc! { "$match": { "_id": hash(name) } }, doc! { "$lookup": show }];
        let mut found = self.0.aggregate(pipeline).with_type::<NamedShow>().await?;
        Ok(found.try_next().await?)
    }

    /// Returns the show that this name means, for a listing, and keeps the name for that show from now on. A new name
    /// means a show with a new id.
    pub(crate) async fn find_or_claim(&self, name: &str, now: Timestamp) -> Result<NamedShow, Error> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(known) = self.find(name).await? {
                if known.is_kept || self.keep(name, known.show_id).await? {
                    return Ok(known);
                }
                // The name was released, or pointed to another show, after it was found.
                continue;
            }
            let show_id = ShowId::new();
            let claim = NameClaim { id: hash(name), show_id, version: 0, is_kept: true, at: now };
            if self.insert(&claim).await? {
                return Ok(NamedShow { show_id, is_kept: true, show: Vec::new() });
            }
            // Another listing has claimed the name first.
        }
        Err(Error::Unavailable(None))
    }

    /// Gives a show its present name, unless the name means another show. If the name means this show already, because
    /// the show had it before, releases the names that the show got since and that no listing used.
    pub(crate) async fn assign_present_name(&self, show: &Versioned<Show>, now: Timestamp) -> Result<(), StoreError> {
        let (id, show_id) = (hash(&show.details.name()), show.id.to_string());
        let claim =
            NameClaim { id: id.clone(), show_id: show.id, version: as_i64(show.version), is_kept: false, at: now };
        if self.insert(&claim).await? {
            return Ok(());
        }
        // If the name means another show, that show keeps it. Both remain until the staff merges them.
        if let Some(earlier) = self.0.find_one(doc! { "_id": id, "showId": &show_id }).await? {
            // A later version of the show may have got its name already.
            let versions = doc! { "$gt": earlier.version, "$lt": as_i64(show.version) };
            let since = doc! { "showId": show_id, "isKept": false, "version": versions };
            self.0.delete_many(since).await?;
        }
        Ok(())
    }

    /// Points all names of a show to the one that remains after a merge.
    pub(crate) async fn repoint(&self, from: ShowId, to: &Versioned<Show>) -> Result<(), StoreError> {
        let kept = doc! { "showId": to.id.to_string(), "version": as_i64(to.version), "isKept": true };
        self.0.update_many(doc! { "showId": from.to_string() }, doc! { "$set": kept }).await?;
        Ok(())
    }

    /// Keeps a name for a show. Returns false if it does not mean that show any more.
    async fn keep(&self, name: &str, show_id: ShowId) -> Result<bool, StoreError> {
        let filter = doc! { "_id": hash(name), "showId": show_id.to_string() };
        let kept = self.0.update_one(filter, doc! { "$set": { "isKept": true } }).await?;
        Ok(kept.matched_count > 0)
    }

    /// Stores a claim. Returns false if the name means a show already.
    async fn insert(&self, claim: &NameClaim) -> Result<bool, StoreError> {
        match self.0.insert_one(claim).await.map_err(StoreError::from) {
            Ok(_) => Ok(true),
            Err(StoreError::Duplicate(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn as_i64(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn hash(name: &str) -> String {
    format!("{:x}", Sha256::digest(name))
}
