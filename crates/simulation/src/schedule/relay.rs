//! The relay between outboxes and consumers.

use common::clock::Clock;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use rand::seq::IndexedRandom;
use serde_json::Value;

use super::Schedule;
use crate::fleet::SERVICES;
use crate::network::{Message, short_id};

impl Schedule<'_> {
    /// Publishes the snapshots and the outbox of one service that has events, and removes the published events. At
    /// random, some published events stay in the outbox, as after a crash. A later call may publish them again.
    pub(super) async fn publish_outbox(&mut self) -> Result<(), String> {
        let dirty: Vec<_> = self.dirty_outboxes.iter().copied().collect();
        let service = if self.faults.in_order { dirty[0] } else { *dirty.choose(&mut self.rng).unwrap() };
        for instance in 0..2 {
            for event in self.announced.remove(&(service, instance)).unwrap_or_default() {
                self.publish(&event.payload)?;
            }
        }
        self.note(format!("outboxes of {}", SERVICES[service].0));
        let mut has_unremoved = false;
        for collection in SERVICES[service].1 {
            let documents = self.fleet.services[service].database.collection::<Document>(collection);
            let found = documents.find(doc! { "outbox.0.time": { "$exists": true } }).projection(doc! { "outbox": 1 });
            let found: Vec<Document> = async { found.await?.try_collect().await }
                .await
                .map_err(|error: mongodb::error::Error| error.to_string())?;
            let (mut owners, mut published) = (Vec::new(), Vec::new());
            for document in &found {
                for event in document.get_array("outbox").unwrap().iter().filter_map(|event| event.as_document()) {
                    let id = event.get_str("id").unwrap().to_owned();
                    if self.published.insert(id.clone()) || self.happens(self.faults.duplicate) {
                        self.publish(event.get_str("payload").unwrap())?;
                    }
                    // Simulates a crash between publication and removal.
                    if self.happens(self.faults.duplicate) {
                        has_unremoved = true;
                    } else {
                        owners.push(document.get_str("_id").unwrap());
                        published.push(id);
                    }
                }
            }
            if !published.is_empty() {
                let update = doc! { "$pull": { "outbox": { "id": { "$in": published } } } };
                let removed = documents.update_many(doc! { "_id": { "$in": owners } }, update).await;
                removed.map_err(|error| error.to_string())?;
            }
        }
        if !has_unremoved {
            self.dirty_outboxes.remove(&service);
        }
        Ok(())
    }

    /// Sends an event to each of its consumers, or drops it on the way.
    fn publish(&mut self, payload: &str) -> Result<(), String> {
        let published = self.network.publish(payload)?;
        let (name, is_snapshot) = (&published.name, published.is_snapshot);
        self.note(format!("  {name}: {}", status_label(&published.event)));
        for consumer in 0..self.consumers.len() {
            if self.consumers[consumer].entity != published.entity {
                continue;
            }
            if (!is_snapshot || self.faults.drop_announcements) && self.happens(self.faults.drop) {
                let to = SERVICES[self.consumers[consumer].service].0;
                self.note(format!("  {name} to {to} is dropped"));
                continue;
            }
            self.network.queue.push(Message {
                consumer,
                payload: payload.as_bytes().to_vec(),
                name: name.clone(),
                not_before: self.fleet.clock.now(),
                subject: published.event["subject"].as_str().unwrap_or_default().to_owned(),
                version: published.event["entityversion"].as_u64().unwrap_or(u64::MAX),
                is_snapshot,
                is_redelivered: false,
            });
        }
        Ok(())
    }
}

/// The status of the entity, for the trace.
fn status_label(event: &Value) -> String {
    let text = |field: &str| event["data"][field].as_str().unwrap_or_default();
    format!("{} {} {}", text("status"), text("cancelReason"), short_id(text("orderId"))).trim().to_owned()
}
