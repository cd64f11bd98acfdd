//! Groups of messages about one entity. Only the newest message of a group is handled, for all of them.
//!
//! # Why
//! Every event carries the entity's whole state, so a handler that has stored the newest one needs no older one. A
//! consumer has several messages about one entity after an outage, or if they arrive while a handler of the entity
//! runs: they wait until it ends and then form the next group.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::{AckKind, Message};

use super::subscription::{EventKey, GroupSummary};

/// A received message, with the key that orders it within its group.
pub(super) struct Received {
    pub(super) message: Message,
    /// `None` if the message is not a known event. Such a message forms a group by itself.
    pub(super) key: Option<EventKey>,
}

impl Received {
    /// How many times it has been delivered, including this time.
    pub(super) fn delivered(&self) -> u32 {
        self.message.info().map_or(1, |info| u32::try_from(info.delivered).unwrap_or(1))
    }
}

/// Messages about one entity, ordered by version; the newest is the last.
pub(super) struct Group {
    entity_id: Option<String>,
    messages: Vec<Received>,
    /// The number of messages that the group began with.
    size: usize,
}

impl Group {
    fn new(entity_id: Option<String>, mut messages: Vec<Received>) -> Self {
        let order = |received: &Received| received.key.as_ref().map(|key| (key.version, key.is_snapshot));
        messages.sort_by_key(order);
        let size = messages.len();
        Self { entity_id, messages, size }
    }

    /// The newest of the remaining messages; `None` if none remains.
    pub(super) fn newest(&self) -> Option<&Received> {
        self.messages.last()
    }

    /// Removes the newest message.
    pub(super) fn remove_newest(&mut self) {
        self.messages.pop();
    }

    /// The properties of the remaining messages together, which the handler of the newest one needs.
    pub(super) fn summary(&self) -> GroupSummary {
        GroupSummary {
            has_snapshot: self.has(|key| key.is_snapshot),
            has_noted: self.has(|key| key.is_noted),
            is_redelivered: self.messages.iter().any(|received| received.delivered() > 1),
        }
    }

    fn has(&self, property: impl Fn(&EventKey) -> bool) -> bool {
        self.messages.iter().filter_map(|received| received.key.as_ref()).any(property)
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Sends an ack of this kind for every remaining message. The server's confirmation is not awaited: if an ack is
    /// lost, the message is redelivered, which is harmless.
    pub(super) async fn ack(&self, kind: impl Fn() -> AckKind) -> Result<(), async_nats::Error> {
        let mut sent = Ok(());
        for received in &self.messages {
            sent = sent.and(received.message.ack_with(kind()).await);
        }
        sent
    }
}

/// The entities that have a group in flight, with the messages about them that have arrived since.
#[derive(Default)]
pub(super) struct EntitiesInFlight(Mutex<InFlight>);

#[derive(Default)]
struct InFlight {
    /// By entity that has a group in flight: the messages that wait for that group to end.
    waiting: HashMap<String, Vec<Received>>,
    /// The number of all messages that groups in flight began with, and of those that wait.
    count: usize,
}

impl EntitiesInFlight {
    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds received messages. Returns the groups that can start now: one for each entity that has none in flight. The
    /// messages of other entities wait.
    pub(super) fn begin(&self, received: Vec<Received>) -> Vec<Group> {
        let mut in_flight = self.in_flight();
        in_flight.count += received.len();
        let waiting = &mut in_flight.waiting;
        let (mut groups, mut by_entity) = (Vec::new(), BTreeMap::<String, Vec<Received>>::new());
        for received in received {
            let Some(key) = &received.key else {
                groups.push(Group::new(None, vec![received]));
                continue;
            };
            match waiting.get_mut(&key.subject) {
                Some(waiting) => waiting.push(received),
                None => by_entity.entry(key.subject.clone()).or_default().push(received),
            }
        }
        for (id, messages) in by_entity {
            waiting.insert(id.clone(), Vec::new());
            groups.push(Group::new(Some(id), messages));
        }
        groups
    }

    /// Ends a group. Returns the next one of its entity, if messages have arrived meanwhile.
    pub(super) fn end(&self, group: Group) -> Option<Group> {
        let mut in_flight = self.in_flight();
        in_flight.count -= group.size;
        let id = group.entity_id?;
        let waiting = &mut in_flight.waiting;
        let messages = waiting.remove(&id).filter(|messages| !messages.is_empty())?;
        waiting.insert(id.clone(), Vec::new());
        Some(Group::new(Some(id), messages))
    }

    /// The number of messages whose group has not ended, or that wait for one to end.
    pub(super) fn count(&self) -> usize {
        self.in_flight().count
    }

    /// The messages that wait for this group to end.
    pub(super) fn waiting_for(&self, group: &Group) -> Vec<Message> {
        let in_flight = self.in_flight();
        let of_entity = group.entity_id.as_ref().and_then(|id| in_flight.waiting.get(id));
        of_entity.into_iter().flatten().map(|received| received.message.clone()).collect()
    }
}
