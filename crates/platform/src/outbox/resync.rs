//! Resync: the owner publishes present states again because somebody asked on its admin port.

use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde::Deserialize;

use crate::store::error::StoreError;
use crate::store::{Aggregate, Store, Versioned};

/// What is to be announced: everything, what changed since a time, or what has one of these ids.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    /// Everything.
    #[serde(default)]
    pub all: bool,
    /// What changed at or after this time.
    pub since: Option<Timestamp>,
    /// What has one of these ids.
    #[serde(default)]
    pub ids: Vec<String>,
}

impl Wanted {
    /// Whether anything was asked for.
    pub fn is_something(&self) -> bool {
        self.all || self.since.is_some() || !self.ids.is_empty()
    }

    fn filter(&self) -> Document {
        if self.all {
            doc! {}
        } else if let Some(since) = self.since {
            doc! { "state.updatedAt": { "$gte": since.to_string() } }
        } else {
            doc! { "_id": { "$in": &self.ids } }
        }
    }
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn announce_wanted(&self, wanted: &Wanted) -> Result<u64, StoreError> {
        let documents = self.collection().clone_with_type::<Versioned<A>>();
        let mut found = documents.find(wanted.filter()).projection(doc! { "version": 1, "state": 1 }).await?;
        let mut count = 0;
        while let Some(current) = found.try_next().await? {
            if !current.is_announced() {
                continue;
            }
            self.relay().announce_waiting(self.snapshot(&current)).await;
            count += 1;
        }
        Ok(count)
    }
}
