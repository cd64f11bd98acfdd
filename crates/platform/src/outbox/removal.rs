//! Removes published events from outboxes after a delay, unless the next write of the document has removed them before.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use tokio_util::sync::CancellationToken;

use super::acknowledged::Removal;
use crate::context::Context;
use crate::lifecycle::Backoff;
use crate::telemetry;

/// Longest pause after a failure.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Removes due events until `stop`, then all remaining ones.
pub(super) async fn run(context: &Context, stop: &CancellationToken) {
    let (acknowledged, delay) = (context.relay.acknowledged(), context.config.outbox_removal_delay);
    let mut backoff = Backoff::up_to(MAX_PAUSE);
    while let Some(due) = stop.run_until_cancelled(acknowledged.due(delay)).await {
        if remove(&context.database, due).await {
            backoff.reset();
        } else {
            stop.run_until_cancelled(tokio::time::sleep(backoff.next_delay())).await;
        }
    }
    remove(&context.database, acknowledged.take_older_than(Duration::ZERO)).await;
}

/// Removes the events by one command per collection. Returns whether all were removed; a later attempt removes the
/// others.
async fn remove(database: &Database, removals: Vec<Removal>) -> bool {
    let mut by_collection: HashMap<&'static str, Vec<Removal>> = HashMap::new();
    for removal in removals {
        by_collection.entry(removal.collection()).or_default().push(removal);
    }
    // Does not wait for the journal: a lost removal only means that the event is published twice.
    let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
    let mut has_removed_all = true;
    for (collection, removals) in by_collection {
        let ids: Vec<_> = removals.iter().map(Removal::document).collect();
        let events: Vec<_> = removals.iter().flat_map(Removal::ids).collect();
        let update = doc! { "$pull": { "outbox": { "id": { "$in": events } } } };
        let documents = database.collection::<Document>(collection);
        let removed = documents.update_many(doc! { "_id": { "$in": ids } }, update).write_concern(concern.clone());
        match removed.await {
            Ok(_) => removals.into_iter().for_each(Removal::done),
            Err(error) => {
                has_removed_all = false;
                tracing::warn!(
                    error = telemetry::causes(&error),
                    collection,
                    "removing published events from outboxes failed; a later attempt removes them"
                );
            }
        }
    }
    has_removed_all
}
