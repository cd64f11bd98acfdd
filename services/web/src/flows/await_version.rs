//! Waits until the read model has what a user has just done, on a page or by the API.

use std::time::Duration;

use common::aggregate::Versioned;
use common::error::Error;
use common::timestamp::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use crate::state::AppState;
use crate::store::searchable::Searchable;

/// Maximum wait, after which the page shows the command's response and says that it is not up to date.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Minimum interval between reads of the read model.
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// How long after its creation an entity may be missing in the read model, and by how much clocks may differ.
const REPLICATION_GRACE: Duration = Duration::from_secs(10);
/// Maximum number of requests that wait for entities at a time; others get 404 at once.
const MAX_AWAITED: usize = 200;
/// Anyone can make up recent ids of nothing.
static AWAITED: Semaphore = Semaphore::const_new(MAX_AWAITED);

/// The entity with this id, for its pages. A recent id is awaited: who has just created the entity must not get 404.
pub(crate) async fn get_or_await<S: Searchable>(state: &AppState, id: Uuid) -> Result<Option<Versioned<S>>, Error> {
    let replica = state.model.live_replica::<S>().await?;
    let found = replica.get(id).await?;
    let created = id.get_timestamp().map(|time| time.to_unix().0);
    let created = created.map(|seconds| Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000));
    let now = state.clock.now();
    let is_recent =
        created.is_some_and(|created| now.since(created) < REPLICATION_GRACE && created.since(now) < REPLICATION_GRACE);
    if found.is_some() || !is_recent {
        return Ok(found);
    }
    let Ok(_permit) = AWAITED.try_acquire() else { return Ok(None) };
    if await_version::<S>(state, &id.to_string(), 0).await? { Ok(replica.get(id).await?) } else { Ok(None) }
}

/// Whether the read model has the entity at this version or a newer one within the maximum wait.
pub(crate) async fn await_version<S: Searchable>(state: &AppState, id: &str, version: u64) -> Result<bool, Error> {
    poll_until(|| async {
        let stored = state.model.live_replica::<S>().await?.get(id).await?;
        Ok(stored.is_some_and(|stored| stored.version >= version))
    })
    .await
}

/// Whether the condition becomes true within the maximum wait. It is checked ever less often, since what is late may
/// never come.
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
        let elapsed = began.elapsed();
        if elapsed >= MAX_WAIT {
            return Ok(false);
        }
        let interval = POLL_INTERVAL.max(elapsed / 4);
        tokio::time::sleep(interval.min(MAX_WAIT.saturating_sub(elapsed))).await;
    }
}
