//! The show that each name means: the claims by which listings find their show.
//!
//! # Why
//! The name's hash is the `_id`, so a name means one show on a sharded cluster too. The claim is written before the
//! show, and the `_id` of the show decides which of the first listings makes it. A crash in between leaves a claim
//! without a show; the next listing of that name makes the show. A moved or renamed show keeps its earlier names and
//! gets a new one; those of a merged show are pointed to the show that remains. No claim is ever removed.

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
    at: Timestamp,
}

/// The show that a name means.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedShow {
    pub(crate) show_id: ShowId,
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

    /// Returns the id of the show that this name means. If the name is new, it means a show with a new id.
    pub(crate) async fn find_or_claim(&self, name: &str, now: Timestamp) -> Result<NamedShow, Error> {
        if let Some(known) = self.find(name).await? {
            return Ok(known);
        }
        let show_id = ShowId::new();
        if self.claim(name, show_id, now).await? {
            return Ok(NamedShow { show_id, show: Vec::new() });
        }
        // Another listing was faster. Claims are never removed.
        self.find(name).await?.ok_or(Error::Unavailable(None))
    }

    /// Claims a name for a show. Returns false if it means a show already, be it this one or another.
    pub(crate) async fn claim(&self, name: &str, show_id: ShowId, now: Timestamp) -> Result<bool, StoreError> {
        let claim = NameClaim { id: hash(name), show_id, at: now };
        match self.0.insert_one(&claim).await.map_err(StoreError::from) {
            Ok(_) => Ok(true),
            Err(StoreError::Duplicate(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Points all names of a show to another one.
    pub(crate) async fn repoint(&self, from: ShowId, to: ShowId) -> Result<(), StoreError> {
        let update = doc! { "$set": { "showId": to.to_string() } };
        self.0.update_many(doc! { "showId": from.to_string() }, update).await?;
        Ok(())
    }
}

fn hash(name: &str) -> String {
    format!("{:x}", Sha256::digest(name))
}
