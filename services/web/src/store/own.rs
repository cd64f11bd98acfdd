//! What web alone knows: which tickets somebody watches, and how far they have read. No event tells
//! it, so a rebuild of the read model leaves it as it is.

use common::id::{TicketId, UserId};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use platform::app::App;
use platform::store::error::StoreError;
use serde::{Deserialize, Serialize};

use super::index;

const WATCHES: &str = "watches";
const MARKS: &str = "read_marks";

/// web's own collections; cheap to clone.
#[derive(Clone)]
pub struct Own {
    watches: Collection<Watch>,
    marks: Collection<Mark>,
}

/// Somebody wants to know when a ticket gets cheaper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    #[serde(rename = "_id")]
    id: String,
    /// Who.
    pub user: UserId,
    /// Which one.
    pub ticket: TicketId,
    /// Since when.
    pub since: Timestamp,
}

/// Up to when somebody has seen their notifications.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    #[serde(rename = "_id")]
    user: UserId,
    until: Timestamp,
}

impl Own {
    /// In the service's database.
    pub fn new(database: &Database) -> Self {
        Self { watches: database.collection(WATCHES), marks: database.collection(MARKS) }
    }

    /// Begins to watch; doing so again changes nothing.
    pub async fn watch(&self, user: UserId, ticket: TicketId, now: Timestamp) -> Result<(), StoreError> {
        let fields = doc! { "user": user.to_string(), "ticket": ticket.to_string(), "since": now.to_string() };
        let update = doc! { "$setOnInsert": fields };
        let written = self.watches.update_one(doc! { "_id": id(user, ticket) }, update).upsert(true).await;
        match written.map_err(StoreError::from) {
            // Two at once: the other one has it.
            Ok(_) | Err(StoreError::Duplicate(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Watches no longer.
    pub async fn unwatch(&self, user: UserId, ticket: TicketId) -> Result<(), StoreError> {
        self.watches.delete_one(doc! { "_id": id(user, ticket) }).await?;
        Ok(())
    }

    /// Whether somebody watches.
    pub async fn is_watched(&self, user: UserId, ticket: TicketId) -> Result<bool, StoreError> {
        Ok(self.watches.find_one(doc! { "_id": id(user, ticket) }).await?.is_some())
    }

    /// What somebody watches, the latest first, at most `limit`.
    pub async fn watched_by(&self, user: UserId, limit: i64) -> Result<Vec<Watch>, StoreError> {
        let found = self.watches.find(doc! { "user": user.to_string() }).sort(doc! { "since": -1 }).limit(limit);
        Ok(found.await?.try_collect().await?)
    }

    /// Who watches a ticket.
    pub async fn watchers_of(&self, ticket: TicketId) -> Result<Vec<UserId>, StoreError> {
        let found: Vec<Watch> = self.watches.find(doc! { "ticket": ticket.to_string() }).await?.try_collect().await?;
        Ok(found.into_iter().map(|watch| watch.user).collect())
    }

    /// Somebody has seen all that there was until then.
    pub async fn mark_read(&self, user: UserId, until: Timestamp) -> Result<(), StoreError> {
        let update = doc! { "$max": { "until": until.to_string() } };
        self.marks.update_one(doc! { "_id": user.to_string() }, update).upsert(true).await?;
        Ok(())
    }

    /// Up to when somebody has seen their notifications.
    pub async fn read_until(&self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.marks.find_one(doc! { "_id": user.to_string() }).await?.map(|mark| mark.until))
    }
}

fn id(user: UserId, ticket: TicketId) -> String {
    format!("{user}:{ticket}")
}

/// The indexes of these collections.
pub fn with_indexes(app: App) -> App {
    let by = |name: &str, keys: Document| index(name, keys);
    app.indexes(WATCHES, vec![by("user_v1", doc! { "user": 1, "since": -1 }), by("ticket_v1", doc! { "ticket": 1 })])
}
