//! Resync: announces the current states that an operator requests on the admin port, which means that their snapshots
//! are published.

use common::aggregate::{Aggregate, Versioned};
use common::api::admin::Resync;
use futures::TryStreamExt;
use mongodb::bson::doc;

use crate::store::error::StoreError;
use crate::store::{Store, versioned_fields};

impl<A: Aggregate> Store<A> {
    /// Announces the requested states that may be announced. Returns their number.
    pub(crate) async fn announce_requested(&self, request: &Resync) -> Result<u64, StoreError> {
        let filter = if request.all {
            doc! {}
        } else if let Some(since) = request.since {
            doc! { "state.updatedAt": { "$gte": since.to_string() } }
        } else {
            doc! { "_id": { "$in": &request.ids } }
        };
        let documents = self.collection().clone_with_type::<Versioned<A>>();
        let mut found = documents.find(filter).projection(versioned_fields()).await?;
        let mut count = 0;
        while let Some(current) = found.try_next().await? {
            if current.is_announced() {
                self.relay.announce_when_free(self.snapshot(&current)).await;
                count += 1;
            }
        }
        Ok(count)
    }
}
