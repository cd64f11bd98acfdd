//! Data owned by this service: watched tickets and read marks. It is not derived from events, so a rebuild of the read
//! model does not touch it.

use common::aggregate::ShardKey;
use common::id::{TicketId, UserId};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::doc;
use mongodb::{Collection, Database};
use platform::app::App;
use platform::store::error::StoreError;
use serde::{Deserialize, Serialize};

use super::index;

const WATCHES: &str = "watches";
const READ_MARKS: &str = "read_marks";

/// Watches and read marks; cheap to clone.
#[derive(Clone)]
pub(crate) struct UserDataStore {
    watches: Collection<Watch>,
    read_marks: Collection<ReadMark>,
}

/// A user's request to be notified when a ticket gets cheaper, or is free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    #[serde(rename = "_id")]
    id: String,
    pub user: UserId,
    pub ticket: TicketId,
    /// When the user started to watch: what happened earlier is not reported.
    pub since: Timestamp,
    /// When a hold ended without a sale before which no seat was free, if the ticket was watched then.
    #[serde(default)]
    pub freed: Option<Timestamp>,
}

/// The time up to which a user has read the notifications.
#[derive(Debug, Serialize, Deserialize)]
struct ReadMark {
    #[serde(rename = "_id")]
    user: UserId,
    until: Timestamp,
}

impl UserDataStore {
    pub(crate) fn new(database: &Database) -> Self {
        Self { watches: database.collection(WATCHES), read_marks: database.collection(READ_MARKS) }
    }

    /// Adds a watch; does nothing if it exists.
    pub(crate) async fn add_watch(&self, user: UserId, ticket: TicketId, now: Timestamp) -> Result<(), StoreError> {
        let fields = doc! { "user": user.to_string(), "ticket": ticket.to_string(), "since": now.to_string() };
        let update = doc! { "$setOnInsert": fields };
        let written = self.watches.update_one(doc! { "_id": id(user, ticket) }, update).upsert(true).await;
        match written.map_err(StoreError::from) {
            // A concurrent insert of the same watch won.
            Ok(_) | Err(StoreError::Duplicate(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn remove_watch(&self, user: UserId, ticket: TicketId) -> Result<(), StoreError> {
        self.watches.delete_one(doc! { "_id": id(user, ticket) }).await?;
        Ok(())
    }

    pub(crate) async fn is_watched(&self, user: UserId, ticket: TicketId) -> Result<bool, StoreError> {
        Ok(self.watches.find_one(doc! { "_id": id(user, ticket) }).await?.is_some())
    }

    /// The user's latest watches, at most `limit`.
    pub(crate) async fn watches_of(&self, user: UserId, limit: i64) -> Result<Vec<Watch>, StoreError> {
        let found = self.watches.find(doc! { "user": user.to_string() }).sort(doc! { "since": -1 }).limit(limit);
        Ok(found.await?.try_collect().await?)
    }

    pub(crate) async fn watchers_of(&self, ticket: TicketId) -> Result<Vec<UserId>, StoreError> {
        let found: Vec<Watch> = self.watches.find(doc! { "ticket": ticket.to_string() }).await?.try_collect().await?;
        Ok(found.into_iter().map(|watch| watch.user).collect())
    }

    /// Notes in all watches of a ticket that it has been free again since this time. An earlier time than the stored
    /// one changes nothing.
    pub(crate) async fn mark_freed(&self, ticket: TicketId, at: Timestamp) -> Result<(), StoreError> {
        let update = doc! { "$max": { "freed": at.to_string() } };
        self.watches.update_many(doc! { "ticket": ticket.to_string() }, update).await?;
        Ok(())
    }

    /// Marks the user's notifications up to this time as read. An earlier time than the stored one changes nothing.
    pub(crate) async fn mark_read(&self, user: UserId, until: Timestamp) -> Result<(), StoreError> {
        let update = doc! { "$max": { "until": until.to_string() } };
        self.read_marks.update_one(doc! { "_id": user.to_string() }, update).upsert(true).await?;
        Ok(())
    }

    pub(crate) async fn read_until(&self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.read_marks.find_one(doc! { "_id": user.to_string() }).await?.map(|mark| mark.until))
    }
}

fn id(user: UserId, ticket: TicketId) -> String {
    format!("{user}:{ticket}")
}

pub(crate) fn with_collections(app: App) -> App {
    let by_user = index("user_v1", doc! { "user": 1, "since": -1 });
    app.indexes(WATCHES, ShardKey::ID, vec![by_user, index("ticket_v1", doc! { "ticket": 1 })])
        .collection(READ_MARKS, ShardKey::ID)
}
