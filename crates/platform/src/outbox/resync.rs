//! Resync: the owner publishes present states again because somebody asked on its admin port.

use common::aggregate::{Aggregate, Versioned};
use common::api::admin::Resync;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};

use crate::store::Store;
use crate::store::error::StoreError;

fn filter(wanted: &Resync) -> Document {
    if wanted.all {
        doc! {}
    } else if let Some(since) = wanted.since {
        doc! { "state.updatedAt": { "$gte": since.to_string() } }
    } else {
        doc! { "_id": { "$in": &wanted.ids } }
    }
}

impl<A: Aggregate> Store<A> {
    pub(crate) async fn announce_wanted(&self, wanted: &Resync) -> Result<u64, StoreError> {
        let documents = self.collection().clone_with_type::<Versioned<A>>();
        let mut found = documents.find(filter(wanted)).projection(doc! { "version": 1, "state": 1 }).await?;
        let mut count = 0;
        while let Some(current) = found.try_next().await? {
            if !current.is_announced() {
                continue;
            }
            self.relay().announce_when_free(self.snapshot(&current)).await;
            count += 1;
        }
        Ok(count)
    }
}
