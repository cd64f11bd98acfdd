//! What is between the services: messages that wait for their consumers in no order at all.

use std::collections::{BTreeMap, HashMap};

use common::timestamp::Timestamp;
use serde_json::Value;

/// One event on its way to one consumer.
#[derive(Clone)]
pub struct Message {
    /// The consumer's place among all lines of all subscription tables.
    pub consumer: usize,
    /// The event, as it was published.
    pub payload: Vec<u8>,
    /// For people: what happened to what.
    pub name: String,
    /// Not delivered before.
    pub not_before: Timestamp,
    /// Whether it announces a state again.
    pub is_snapshot: bool,
}

/// The messages, and everything that was ever published.
#[derive(Default)]
pub struct Network {
    /// Messages that wait.
    pub waiting: Vec<Message>,
    /// Consumers that get nothing for the time being.
    pub withheld: Vec<usize>,
    /// Change events by entity, id and version.
    pub changes: BTreeMap<(String, String, u64), Value>,
    /// All events by entity.
    pub events: BTreeMap<String, Vec<Value>>,
    payloads: HashMap<String, String>,
}

/// An event as its outbox, or its owner's announcer, gave it.
pub struct Published {
    /// The event, decoded.
    pub event: Value,
    /// `order`.
    pub entity: String,
    /// For people.
    pub name: String,
    /// Whether it announces a state again.
    pub is_snapshot: bool,
}

impl Network {
    /// Takes note of an event; an error when it contradicts an earlier one.
    pub fn publish(&mut self, payload: &str) -> Result<Published, String> {
        let event: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let (id, kind, subject) = (text("id"), text("type"), text("subject"));
        let version = event["entityversion"].as_u64().unwrap_or(u64::MAX);
        let entity = kind.split('.').next().unwrap_or_default().to_owned();
        let is_snapshot = kind.ends_with(".snapshot.v1");
        let name = format!("{} {} v{version}", kind.trim_end_matches(".v1"), tail(&subject));
        match self.payloads.get(&id) {
            Some(earlier) if earlier != payload => return Err(format!("8: event {id} has two payloads")),
            Some(_) => {}
            None => {
                self.payloads.insert(id, payload.to_owned());
                self.events.entry(entity.clone()).or_default().push(event.clone());
                let key = (entity.clone(), subject, version);
                if !is_snapshot && self.changes.insert(key, event.clone()).is_some() {
                    return Err(format!("8: {name} is a second event of its version"));
                }
            }
        }
        Ok(Published { event, entity, name, is_snapshot })
    }

    /// Begins anew, but for the history of one entity.
    pub fn forget_all_but(&mut self, entity: &str) {
        self.waiting.clear();
        self.withheld.clear();
        self.changes.retain(|(of, ..), _| of == entity);
        self.events.retain(|of, _| of == entity);
    }

    /// Messages that may be delivered now.
    pub fn deliverable(&self, now: Timestamp) -> Vec<usize> {
        let may = |message: &Message| message.not_before <= now && !self.withheld.contains(&message.consumer);
        (0..self.waiting.len()).filter(|place| may(&self.waiting[*place])).collect()
    }

    /// When the next of those comes that have to wait.
    pub fn next_due(&self) -> Option<Timestamp> {
        let waiting = self.waiting.iter().filter(|message| !self.withheld.contains(&message.consumer));
        waiting.map(|message| message.not_before).min()
    }
}

/// The end of an id, by which people tell entities apart.
pub fn tail(id: &str) -> &str {
    &id[id.len().saturating_sub(6)..]
}
