//! Resync: the owner publishes present states again because somebody asked on its admin port.

use common::aggregate::{Aggregate, Versioned};
use common::timestamp::Timestamp;
use common::validate::fault_within;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde::Deserialize;
use validator::{Validate, ValidationError};

use crate::store::Store;
use crate::store::error::StoreError;

/// What is to be announced: everything, what changed since a time, or what has one of these ids.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[validate(schema(function = "says_something"))]
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

fn says_something(wanted: &Wanted) -> Result<(), ValidationError> {
    if wanted.all || wanted.since.is_some() || !wanted.ids.is_empty() {
        Ok(())
    } else {
        let message = "say what to announce: {\"all\": true}, {\"since\": time} or {\"ids\": […]}";
        Err(fault_within("all", "nothing", message))
    }
}

impl Wanted {
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
