//! Watched shows: data owned by this service, like the watched tickets in [`user_data`](super::user_data).

use common::aggregate::ShardKey;
use common::id::{ShowId, UserId};
use futures::TryStreamExt;
use mongodb::bson::doc;
use mongodb::{Collection, Database};
use platform::app::App;
use platform::store::error::StoreError;

use super::index;
use crate::domain::show_watch::{MAX_SHOW_WATCHES, ShowWatch};

const COLLECTION: &str = "show_watches";

/// The watches of shows; cheap to clone.
#[derive(Clone)]
pub(crate) struct ShowWatchStore {
    watches: Collection<ShowWatch>,
}

impl ShowWatchStore {
    pub(crate) fn new(database: &Database) -> Self {
        Self { watches: database.collection(COLLECTION) }
    }

    /// Adds a watch, or changes the highest price of the one that exists.
    pub(crate) async fn put(&self, user: UserId, watch: &ShowWatch) -> Result<(), StoreError> {
        let ShowWatch { show, since, max } = watch;
        let first = doc! { "user": user.to_string(), "show": show.to_string(), "since": since.to_string() };
        let update = if let Some(max) = max {
            let max = doc! { "amount": max.amount, "currency": max.currency.to_string() };
            doc! { "$setOnInsert": first, "$set": { "max": max } }
        } else {
            doc! { "$setOnInsert": first, "$unset": { "max": "" } }
        };
        let written = self.watches.update_one(doc! { "_id": id(user, *show) }, update).upsert(true).await;
        match written.map_err(StoreError::from) {
            // A concurrent insert of the same watch won.
            Ok(_) | Err(StoreError::Duplicate(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends the user's watches of these shows.
    pub(crate) async fn remove(&self, user: UserId, shows: impl IntoIterator<Item = ShowId>) -> Result<(), StoreError> {
        let ids: Vec<_> = shows.into_iter().map(|show| id(user, show)).collect();
        if !ids.is_empty() {
            self.watches.delete_many(doc! { "_id": { "$in": ids } }).await?;
        }
        Ok(())
    }

    /// The user's watches, the latest first.
    pub(crate) async fn of(&self, user: UserId) -> Result<Vec<ShowWatch>, StoreError> {
        let found = self.watches.find(doc! { "user": user.to_string() }).sort(doc! { "since": -1 });
        Ok(found.limit(i64::from(MAX_SHOW_WATCHES)).await?.try_collect().await?)
    }
}

fn id(user: UserId, show: ShowId) -> String {
    format!("{user}:{show}")
}

pub(crate) fn with_collections(app: App) -> App {
    app.indexes(COLLECTION, ShardKey::ID, vec![index("user_v1", doc! { "user": 1, "since": -1 })])
}
