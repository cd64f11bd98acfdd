//! The simulated event bus: undelivered messages, delivered in any order, and the history of published events.

use std::collections::{BTreeMap, HashMap};

use common::timestamp::Timestamp;
use e2e::invariants::names::ONE_EVENT;
use serde_json::Value;

/// An event on its way to one consumer.
#[derive(Clone)]
pub(crate) struct Message {
    /// Index among all subscriptions of all services.
    pub(crate) consumer: usize,
    pub(crate) payload: Vec<u8>,
    /// Label for the trace.
    pub(crate) name: String,
    /// Earliest time of delivery.
    pub(crate) not_before: Timestamp,
    /// The id of the entity.
    pub(crate) subject: String,
    /// The entity's version.
    pub(crate) version: u64,
    pub(crate) is_snapshot: bool,
    /// Whether it has been delivered before.
    pub(crate) is_redelivered: bool,
}

#[derive(Default)]
pub(crate) struct Network {
    /// Undelivered messages.
    pub(crate) queue: Vec<Message>,
    /// Consumers whose deliveries are paused.
    pub(crate) partitioned: Vec<usize>,
    /// Change events by entity, id and version.
    pub(crate) changes: BTreeMap<(String, String, u64), Value>,
    /// All events by entity.
    pub(crate) events: BTreeMap<String, Vec<Value>>,
    payloads: HashMap<String, String>,
}

/// A decoded event.
pub(crate) struct Published {
    pub(crate) event: Value,
    /// The entity's type, such as `order`.
    pub(crate) entity: String,
    /// Label for the trace.
    pub(crate) name: String,
    pub(crate) is_snapshot: bool,
}

impl Network {
    /// Records an event; an error if it contradicts an earlier one.
    pub(crate) fn publish(&mut self, payload: &str) -> Result<Published, String> {
        let event: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let (id, kind, subject) = (text("id"), text("type"), text("subject"));
        let version = event["entityversion"].as_u64().unwrap_or(u64::MAX);
        let entity = kind.split('.').next().unwrap_or_default().to_owned();
        let is_snapshot = kind.ends_with(".snapshot.v1");
        let name = format!("{} {} v{version}", kind.trim_end_matches(".v1"), short_id(&subject));
        match self.payloads.get(&id) {
            Some(earlier) if earlier != payload => return Err(format!("{ONE_EVENT}: event {id} has two payloads")),
            Some(_) => {}
            None => {
                self.payloads.insert(id, payload.to_owned());
                self.events.entry(entity.clone()).or_default().push(event.clone());
                let key = (entity.clone(), subject, version);
                if !is_snapshot && self.changes.insert(key, event.clone()).is_some() {
                    return Err(format!("{ONE_EVENT}: {name} is a second event of its version"));
                }
            }
        }
        Ok(Published { event, entity, name, is_snapshot })
    }

    /// Resets everything except the history of one entity type.
    pub(crate) fn reset_except(&mut self, entity: &str) {
        self.queue.clear();
        self.partitioned.clear();
        self.changes.retain(|(of, ..), _| of == entity);
        self.events.retain(|of, _| of == entity);
    }

    /// Indexes of the messages that may be delivered now.
    pub(crate) fn deliverable(&self, now: Timestamp) -> Vec<usize> {
        let is_deliverable =
            |message: &Message| message.not_before <= now && !self.partitioned.contains(&message.consumer);
        (0..self.queue.len()).filter(|index| is_deliverable(&self.queue[*index])).collect()
    }

    /// Removes the other deliverable messages about the same entity to the same consumer, and returns them.
    pub(crate) fn take_others_of_entity(&mut self, message: &Message, now: Timestamp) -> Vec<Message> {
        let is_other = |other: &mut Message| {
            other.not_before <= now && other.consumer == message.consumer && other.subject == message.subject
        };
        self.queue.extract_if(.., is_other).collect()
    }

    /// When the next delayed message is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let waiting = self.queue.iter().filter(|message| !self.partitioned.contains(&message.consumer));
        waiting.map(|message| message.not_before).min()
    }
}

/// The end of an id, which identifies an entity in the trace.
pub(crate) fn short_id(id: &str) -> &str {
    &id[id.len().saturating_sub(6)..]
}
