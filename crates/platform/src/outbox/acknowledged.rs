//! The events that the stream has acknowledged and that are still in their outboxes.
//!
//! # Why
//! Removing an event is a write of its document, and many documents are written again soon. So the next write of the
//! document removes the event too; after a short delay, all remaining events are removed together. Only events that
//! this instance has seen acknowledged are removed, each by its id: another event of the same outbox, even an older
//! one, may not be in the stream yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Maximum number of events. Events beyond it are found by the sweeper, the periodic search for unpublished events.
const CAPACITY: usize = 8192;
/// From this number of events on, events are removed without waiting for the delay.
const FULL: usize = CAPACITY / 2;
/// How many times per delay the age of the oldest event is checked.
const CHECKS_PER_DELAY: u32 = 8;

/// The acknowledged events of all stores; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Acknowledged(Arc<Registry>);

#[derive(Default)]
struct Registry {
    events: Mutex<Events>,
    /// Notified when the first event is added.
    added: Notify,
}

#[derive(Default)]
struct Events {
    by_document: HashMap<DocumentKey, Vec<AcknowledgedEvent>>,
    count: usize,
}

/// The collection and the document's id.
type DocumentKey = (&'static str, String);

struct AcknowledgedEvent {
    id: String,
    /// When this instance saw it acknowledged.
    at: Instant,
}

impl Events {
    fn add(&mut self, document: DocumentKey, events: Vec<AcknowledgedEvent>) {
        if self.count + events.len() <= CAPACITY {
            self.count += events.len();
            self.by_document.entry(document).or_default().extend(events);
        }
    }

    fn oldest(&self) -> Option<Instant> {
        self.by_document.values().flatten().map(|event| event.at).min()
    }
}

impl Acknowledged {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event that the stream has acknowledged.
    pub(crate) fn add(&self, collection: &'static str, document: &str, event: &str) {
        let event = AcknowledgedEvent { id: event.to_owned(), at: Instant::now() };
        self.put((collection, document.to_owned()), vec![event]);
    }

    fn put(&self, document: DocumentKey, added: Vec<AcknowledgedEvent>) {
        let mut events = self.events();
        let was_empty = events.count == 0;
        events.add(document, added);
        drop(events);
        if was_empty {
            self.0.added.notify_one();
        }
    }

    /// Whether the event will be removed from its outbox without being published again.
    pub(crate) fn contains(&self, collection: &'static str, document: &str, event: &str) -> bool {
        let events = self.events();
        let of_document = events.by_document.get(&(collection, document.to_owned()));
        of_document.is_some_and(|events| events.iter().any(|found| found.id == event))
    }

    /// Takes the events of one document, for a write that removes them.
    pub(crate) fn take(&self, collection: &'static str, document: &str) -> Removal {
        let document = (collection, document.to_owned());
        let mut registered = self.events();
        let events = registered.by_document.remove(&document).unwrap_or_default();
        registered.count -= events.len();
        drop(registered);
        Removal { registry: self.clone(), document, events }
    }

    /// Takes the events of each document whose oldest one has waited for `min_age`.
    pub(crate) fn take_older_than(&self, min_age: Duration) -> Vec<Removal> {
        let mut registered = self.events();
        let is_old = |event: &AcknowledgedEvent| event.at.elapsed() >= min_age;
        let taken: Vec<_> = registered.by_document.extract_if(|_, events| events.iter().any(is_old)).collect();
        registered.count -= taken.iter().map(|(_, events)| events.len()).sum::<usize>();
        drop(registered);
        let removal = |(document, events)| Removal { registry: self.clone(), document, events };
        taken.into_iter().map(removal).collect()
    }

    /// Waits until the oldest event has waited for `delay`. Then takes the events of each document whose oldest event
    /// has waited for half of `delay`, so that many are removed together. As soon as `FULL` events wait, takes all of
    /// them.
    pub(crate) async fn due(&self, delay: Duration) -> Vec<Removal> {
        loop {
            let (count, oldest) = {
                let events = self.events();
                (events.count, events.oldest())
            };
            match oldest {
                None => self.0.added.notified().await,
                Some(_) if count >= FULL => return self.take_older_than(Duration::ZERO),
                Some(oldest) if oldest.elapsed() >= delay => return self.take_older_than(delay / 2),
                Some(_) => tokio::time::sleep(delay / CHECKS_PER_DELAY).await,
            }
        }
    }
}

/// The events of one document, taken by the write that removes them. Dropping it returns the events, unless the removal
/// was completed by [`Removal::done`].
#[must_use]
pub(crate) struct Removal {
    registry: Acknowledged,
    document: DocumentKey,
    events: Vec<AcknowledgedEvent>,
}

impl Removal {
    /// The collection of the document.
    pub(crate) fn collection(&self) -> &'static str {
        self.document.0
    }

    /// The document's id.
    pub(crate) fn document(&self) -> &str {
        &self.document.1
    }

    /// The ids of the events.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.id.as_str())
    }

    /// Completes the removal: the events are no longer in the outbox.
    pub(crate) fn done(mut self) {
        self.events.clear();
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            let (collection, id) = &mut self.document;
            self.registry.put((*collection, std::mem::take(id)), std::mem::take(&mut self.events));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(800);

    fn ids(removals: &[Removal]) -> Vec<&str> {
        let mut ids: Vec<_> = removals.iter().flat_map(Removal::ids).collect();
        ids.sort_unstable();
        ids
    }

    async fn advance(millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_due_together_within_a_second() {
        let (acknowledged, began) = (Acknowledged::default(), Instant::now());
        let (due, ()) = tokio::join!(acknowledged.due(DELAY), async {
            acknowledged.add("orders", "1", "old");
            advance(300).await;
            acknowledged.add("orders", "1", "of the same document");
            acknowledged.add("tickets", "2", "half as old");
            advance(200).await;
            acknowledged.add("tickets", "3", "young");
        });
        assert!((800..1_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_eq!(ids(&due), ["half as old", "of the same document", "old"]);
        assert!(acknowledged.contains("tickets", "3", "young") && !acknowledged.contains("orders", "1", "old"));
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_removal_returns_the_events_with_their_age() {
        let acknowledged = Acknowledged::default();
        acknowledged.add("orders", "1", "event");
        advance(800).await;
        let removal = acknowledged.take("orders", "1");
        assert!(removal.ids().eq(["event"]) && acknowledged.take("orders", "1").ids().next().is_none());
        drop(removal);
        let began = Instant::now();
        let due = acknowledged.due(DELAY).await;
        assert_eq!((ids(&due), began.elapsed()), (vec!["event"], Duration::ZERO));
        due.into_iter().for_each(Removal::done);
        assert!(!acknowledged.contains("orders", "1", "event"));
        assert!(acknowledged.take_older_than(Duration::ZERO).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn many_events_are_due_at_once_and_the_rest_is_left_to_the_sweeper() {
        let (acknowledged, began) = (Acknowledged::default(), Instant::now());
        for number in 0..=CAPACITY {
            acknowledged.add("orders", &number.to_string(), "event");
        }
        let due = acknowledged.due(DELAY).await;
        assert_eq!((due.len(), began.elapsed()), (CAPACITY, Duration::ZERO));
        // Events that a dropped removal returns are subject to the capacity too.
        acknowledged.add("orders", "one more", "event");
        drop(due);
        assert_eq!(acknowledged.take_older_than(Duration::ZERO).len(), CAPACITY);
    }
}
