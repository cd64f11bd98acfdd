//! The network between outboxes and consumers.

use common::clock::Clock;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use rand::seq::IndexedRandom;
use serde_json::Value;

use super::Schedule;
use crate::fleet::SERVICES;
use crate::network::{Message, tail};

impl Schedule<'_> {
    /// What a service wrote is published; what was published is taken out of its outbox, sometimes
    /// later, sometimes after it was published again.
    pub(super) async fn relay(&mut self) -> Result<(), String> {
        let written: Vec<_> = self.written.iter().copied().collect();
        let service = if self.weather.straight { written[0] } else { *written.choose(&mut self.rng).unwrap() };
        for instance in 0..2 {
            for event in self.announced.remove(&(service, instance)).unwrap_or_default() {
                self.publish(&event.payload)?;
            }
        }
        let mut left = false;
        if let Some(collection) = SERVICES[service].1 {
            let documents = self.fleet.services[service].database.collection::<Document>(collection);
            let found = documents.find(doc! { "outbox.0.time": { "$exists": true } }).projection(doc! { "outbox": 1 });
            let found: Vec<Document> = async { found.await?.try_collect().await }
                .await
                .map_err(|error: mongodb::error::Error| error.to_string())?;
            let (mut owners, mut done) = (Vec::new(), Vec::new());
            for document in &found {
                for event in document.get_array("outbox").unwrap().iter().filter_map(|event| event.as_document()) {
                    let id = event.get_str("id").unwrap().to_owned();
                    if self.published.insert(id.clone()) || self.happens(self.weather.repeat) {
                        self.publish(event.get_str("payload").unwrap())?;
                    }
                    // A crash between the two steps leaves it where it is.
                    if self.happens(self.weather.repeat) {
                        left = true;
                    } else {
                        owners.push(document.get_str("_id").unwrap());
                        done.push(id);
                    }
                }
            }
            if !done.is_empty() {
                let update = doc! { "$pull": { "outbox": { "id": { "$in": done } } } };
                let taken = documents.update_many(doc! { "_id": { "$in": owners } }, update);
                taken.await.map_err(|error| error.to_string())?;
            }
        }
        if !left {
            self.written.remove(&service);
        }
        Ok(())
    }

    /// One event goes to each of its consumers, or is lost on the way.
    pub(super) fn publish(&mut self, payload: &str) -> Result<(), String> {
        let published = self.network.publish(payload)?;
        let (name, is_snapshot) = (published.name, published.is_snapshot);
        self.note(format!("  {name}: {}", standing(&published.event)));
        for place in 0..self.consumers.len() {
            if self.consumers[place].entity != published.entity {
                continue;
            }
            if (!is_snapshot || self.weather.lose_announcements) && self.happens(self.weather.lose) {
                let to = SERVICES[self.consumers[place].service].0;
                self.note(format!("  {name} to {to} is lost"));
                continue;
            }
            let payload = payload.as_bytes().to_vec();
            let not_before = self.fleet.clock.now();
            self.network.waiting.push(Message {
                consumer: place,
                payload,
                name: name.clone(),
                not_before,
                is_snapshot,
            });
        }
        Ok(())
    }
}

/// Where an entity stands, for people.
fn standing(event: &Value) -> String {
    let data = &event["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let other = |field: &str| tail(data[field].as_str().unwrap_or_default()).to_owned();
    format!("{} {} {}", text(&data["status"]), text(&data["cancelReason"]), other("orderId")).trim().to_owned()
}
