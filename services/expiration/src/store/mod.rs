//! The indexes and queries of the service's collections; the only file that names MongoDB.

use common::aggregate::Versioned;
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::doc;
use platform::store::Store;
use platform::store::error::StoreError;
use platform::store::index;

use crate::domain::timer::{Status, Timer};

/// Only pending timers are indexed, since no query asks for other timers, whose number grows forever.
pub(crate) fn timer_indexes() -> Vec<IndexModel> {
    let pending = doc! { "state.status.name": Status::Pending.as_ref() };
    vec![index::partial("due_v2", doc! { "state.expiresAt": 1 }, pending)]
}

/// At most `limit` timers that are due at `now`, after skipping `skip` others.
pub(crate) async fn due(
    timers: &Store<Timer>,
    now: Timestamp,
    skip: u64,
    limit: i64,
) -> Result<Vec<Versioned<Timer>>, StoreError> {
    let filter = doc! { "state.status.name": Status::Pending.as_ref(), "state.expiresAt": { "$lte": now.to_string() } };
    timers.find_after_skipping(filter, skip, limit).await
}
