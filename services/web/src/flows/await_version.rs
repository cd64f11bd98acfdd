//! Waits until the read model has what a user has just done, on a page or by the API.

use std::time::Duration;

use common::aggregate::Versioned;
use common::error::Error;
use common::timestamp::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use crate::state::AppState;
use crate::store::searchable::Searchable;

/// Maximum wait, after which the page shows the command's response.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// The notice above such a response.
pub(crate) const STILL_UPDATING_MESSAGE: &str = "Done. This page is not up to date yet: reload it in a moment.";
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// How long after its creation an entity may be missing in the read model.
const REPLICATION_GRACE: Duration = Duration::from_secs(10);

/// The entity with this id, for its pages. A recent id is awaited: who has just created the entity must not get 404.
pub(crate) async fn get_or_await<S: Searchable>(state: &AppState, id: Uuid) -> Result<Option<Versioned<S>>, Error> {
    let replica = state.model.live_replica::<S>().await?;
    let found = replica.get(id).await?;
    let created = id.get_timestamp().map(|time| time.to_unix().0);
    let created = created.map(|seconds| Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000));
    let is_recent = created.is_some_and(|created| state.clock.now().since(created) < REPLICATION_GRACE);
    if found.is_some() || !is_recent || !await_version::<S>(state, &id.to_string(), 0).await? {
        return Ok(found);
    }
    Ok(replica.get(id).await?)
}

/// Whether the read model has the entity at this version or a newer one within the maximum wait.
pub(crate) async fn await_version<S: Searchable>(state: &AppState, id: &str, version: u64) -> Result<bool, Error> {
    poll_until(|| async {
        let stored = state.model.live_replica::<S>().await?.get(id).await?;
        Ok(stored.is_some_and(|stored| stored.version >= version))
    })
    .await
}

/// Whether the condition becomes true within the maximum wait.
pub(crate) async fn poll_until<F, R>(condition: F) -> Result<bool, Error>
where
    F: Fn() -> R,
    R: Future<Output = Result<bool, Error>>,
{
    let began = Instant::now();
    loop {
        if condition().await? {
            return Ok(true);
        }
        if began.elapsed() >= MAX_WAIT {
            return Ok(false);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
