//! After a command: waits until the read model has what it changed, so that people see what they did.

use std::time::Duration;

use common::error::Error;
use common::events::Payload as Entity;
use platform::store::replica::Replica;
use tokio::time::Instant;

use crate::state::AppState;
use crate::store::model::Replicas;

/// How long a page waits; after that it shows the command's own answer.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// What is said above such an answer.
pub const UPDATING: &str = "Done. This page is still being brought up to date: load it again in a moment.";
/// How often the read model is looked at meanwhile.
const POLL: Duration = Duration::from_millis(15);

/// An entity that pages show.
pub trait Shown: Entity {
    /// Its replica.
    fn of(model: &Replicas) -> &Replica<Self>;
}

impl Shown for common::events::ticket::TicketState {
    fn of(model: &Replicas) -> &Replica<Self> {
        &model.tickets
    }
}

impl Shown for common::events::order::OrderState {
    fn of(model: &Replicas) -> &Replica<Self> {
        &model.orders
    }
}

/// Whether the entity is known at this version, or a newer one, before the patience is over.
pub async fn await_version<S: Shown>(state: &AppState, id: &str, version: u64) -> Result<bool, Error> {
    until(|| async {
        let model = state.model.live().await?;
        Ok(S::of(&model).get(id).await?.is_some_and(|known| known.version >= version))
    })
    .await
}

/// Whether it becomes true before the patience is over.
pub async fn until<F, R>(is_so: F) -> Result<bool, Error>
where
    F: Fn() -> R,
    R: Future<Output = Result<bool, Error>>,
{
    let began = Instant::now();
    loop {
        if is_so().await? {
            return Ok(true);
        }
        if began.elapsed() >= PATIENCE {
            return Ok(false);
        }
        tokio::time::sleep(POLL).await;
    }
}
