//! Waits after a command until the read model has its change, so that users see the effect of what they did.

use std::time::Duration;

use common::error::Error;
use tokio::time::Instant;

use crate::state::AppState;
use crate::store::searchable::Searchable;

/// Maximum wait, after which the page shows the command's response.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// The notice above such a response.
pub(crate) const STILL_UPDATING_MESSAGE: &str = "Done. This page is not up to date yet: reload it in a moment.";
const POLL_INTERVAL: Duration = Duration::from_millis(15);

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
