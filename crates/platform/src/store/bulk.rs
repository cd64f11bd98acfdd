//! Many aggregates saved at one go, no faster than the stream takes their events.

use common::aggregate::{Aggregate, ChangeOf, Versioned};
use futures::future::join_all;
use mongodb::bson::Document;

use super::Store;
use super::error::StoreError;

/// One of many changes: what was read, what becomes of it, and what happened.
pub struct BulkChange<'a, A: Aggregate> {
    /// As it was read.
    pub current: &'a Versioned<A>,
    /// As it will be.
    pub next: A,
    /// What happened.
    pub change: ChangeOf<A>,
}

impl<A: Aggregate> Store<A> {
    /// Like [`Store::save`] of each; how many were saved. The others have changed since they were read.
    ///
    /// Waits until the relay has published most of what was saved so before. After an error some may
    /// have been saved; their events are in their outboxes.
    pub async fn save_all(&self, changes: Vec<BulkChange<'_, A>>) -> Result<usize, StoreError> {
        if changes.is_empty() {
            return Ok(0);
        }
        let mut room = self.relay.bulk_permits(changes.len()).await;
        let mut saving = Vec::with_capacity(changes.len());
        for BulkChange { current, next, change } in changes {
            let version = current.version + 1;
            let event = self.event(&next, change, version);
            let update = self.statement(version, &next, Some(&event), Document::new(), Document::new())?;
            saving.push(async move { (self.documents.update(update).await, next.id(), event) });
        }
        let (mut saved, mut failure) = (0, None);
        for (result, id, event) in join_all(saving).await {
            match result {
                Ok(true) => {
                    self.relay.enqueue_with_permit(&mut room, A::COLLECTION, id, event);
                    saved += 1;
                }
                Ok(false) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(saved), Err)
    }
}
