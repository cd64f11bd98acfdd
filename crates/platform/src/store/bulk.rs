//! Saves many aggregates at once, no faster than the relay publishes their events.

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use futures::future::join_all;

use super::Store;
use super::error::StoreError;

/// One change of a bulk save.
pub struct BulkChange<'a, A: Aggregate> {
    /// The aggregate as it was read.
    pub current: &'a Versioned<A>,
    /// Its next state.
    pub next: A,
    /// What happened.
    pub change: ChangeOf<A>,
}

impl<A: Aggregate> Store<A> {
    /// Saves each change like [`Store::save`], and returns how many were saved; the others failed with
    /// [`StoreError::VersionConflict`].
    ///
    /// Waits until the relay has published most events of earlier bulk saves. After an error, some changes may have
    /// been saved; their events are in the outboxes.
    pub async fn save_all(&self, changes: Vec<BulkChange<'_, A>>) -> Result<usize, StoreError> {
        if changes.is_empty() {
            return Ok(0);
        }
        let mut permits = self.relay.bulk_permits(changes.len()).await;
        let mut saving = Vec::with_capacity(changes.len());
        for BulkChange { current, next, change } in changes {
            let version = current.version + 1;
            let event = self.event(&next, change, version);
            let (update, removal) = self.update_to(current.version, version, &next, Some(&event))?;
            saving.push(async move { (self.apply(update, removal).await, next.id(), event) });
        }
        let (mut saved, mut failure) = (0, None);
        for (result, id, event) in join_all(saving).await {
            match result {
                Ok(true) => {
                    self.relay.enqueue(A::COLLECTION, id, event, permits.take_one());
                    saved += 1;
                }
                Ok(false) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(saved), Err)
    }
}
