//! In-process publish/subscribe for the open pages connected to this instance.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::i18n::localized::Localized;
use crate::i18n::reader::Locale;

/// Capacity of a subscriber's queue. A subscriber whose queue is full is disconnected, and reconnects.
const QUEUE_CAPACITY: usize = 32;

/// The topics and their subscribers; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    topics: Mutex<HashMap<Arc<str>, HashMap<u64, SubscriberQueue>>>,
    next_id: AtomicU64,
}

#[derive(Clone)]
struct SubscriberQueue {
    locale: Locale,
    messages: mpsc::Sender<Utf8Bytes>,
    slow: CancellationToken,
}

/// One connected page, subscribed until it is dropped.
pub(crate) struct Subscriber {
    hub: Hub,
    id: u64,
    queue: SubscriberQueue,
    topics: Vec<Arc<str>>,
    pub messages: mpsc::Receiver<Utf8Bytes>,
    /// Cancelled when its queue is full.
    pub slow: CancellationToken,
}

impl Hub {
    /// A subscriber whose page is in this locale.
    pub(crate) fn subscribe(&self, locale: Locale) -> Subscriber {
        let (sender, messages) = mpsc::channel(QUEUE_CAPACITY);
        let slow = CancellationToken::new();
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let queue = SubscriberQueue { locale, messages: sender, slow: slow.clone() };
        Subscriber { hub: self.clone(), id, queue, topics: Vec::new(), messages, slow }
    }

    pub(crate) fn has_subscribers(&self, topic: &str) -> bool {
        self.topics().contains_key(topic)
    }

    /// Queues a message for all subscribers of the topic, each in its own locale; never blocks.
    pub(crate) fn publish(&self, topic: &str, message: &Localized<Utf8Bytes>) {
        let topics = self.topics();
        for queue in topics.get(topic).into_iter().flat_map(HashMap::values) {
            if queue.messages.try_send(message.get(queue.locale).clone()).is_err() {
                queue.slow.cancel();
            }
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Arc<str>, HashMap<u64, SubscriberQueue>>> {
        self.0.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    pub(crate) fn set_topics(&mut self, names: &[String]) {
        let mut topics = self.hub.topics();
        self.topics.retain(|topic| {
            let keep = names.iter().any(|name| **name == **topic);
            if !keep {
                unsubscribe(&mut topics, topic, self.id);
            }
            keep
        });
        for name in names {
            if self.topics.iter().any(|topic| **topic == **name) {
                continue;
            }
            let topic = topics.get_key_value(name.as_str()).map(|(topic, _)| Arc::clone(topic));
            let topic = topic.unwrap_or_else(|| name.as_str().into());
            topics.entry(Arc::clone(&topic)).or_default().insert(self.id, self.queue.clone());
            self.topics.push(topic);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut topics = self.hub.topics();
        for topic in &self.topics {
            unsubscribe(&mut topics, topic, self.id);
        }
    }
}

fn unsubscribe(topics: &mut HashMap<Arc<str>, HashMap<u64, SubscriberQueue>>, topic: &str, id: u64) {
    if let Some(subscribers) = topics.get_mut(topic) {
        subscribers.remove(&id);
        if subscribers.is_empty() {
            topics.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(text: &str) -> Localized<Utf8Bytes> {
        Localized::same(text.into())
    }

    fn topics(topics: &[&str]) -> Vec<String> {
        topics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn subscribers_receive_only_their_topics() {
        let hub = Hub::default();
        let (mut one, mut two) = (hub.subscribe(Locale::EnUs), hub.subscribe(Locale::De));
        one.set_topics(&topics(&["ticket:1", "ticket:2"]));
        two.set_topics(&topics(&["ticket:2"]));
        hub.publish("ticket:1", &same("a"));
        hub.publish("ticket:2", &same("b"));
        hub.publish("ticket:3", &same("c"));
        one.set_topics(&topics(&["ticket:3"]));
        hub.publish("ticket:1", &same("d"));
        hub.publish("ticket:3", &same("e"));
        let received = |subscriber: &mut Subscriber| -> Vec<String> {
            std::iter::from_fn(|| subscriber.messages.try_recv().ok()).map(|text| text.to_string()).collect()
        };
        assert_eq!(received(&mut one), ["a", "b", "e"]);
        assert_eq!(received(&mut two), ["b"]);
        drop((one, two));
        assert!(!hub.has_subscribers("ticket:2") && !hub.has_subscribers("ticket:3"), "no subscriptions remain");
    }

    #[test]
    fn messages_are_in_the_locale_of_their_page() {
        let hub = Hub::default();
        let mut pages = Locale::ALL.map(|locale| hub.subscribe(locale));
        for page in &mut pages {
            page.set_topics(&topics(&["ticket:1"]));
        }
        let tag = || Ok::<_, ()>(Utf8Bytes::from_static(crate::i18n::reader::locale().tag()));
        hub.publish("ticket:1", &Localized::render(tag).unwrap());
        let received = pages.map(|mut page| page.messages.try_recv().unwrap().to_string());
        assert_eq!(received, Locale::ALL.map(Locale::tag));
    }

    #[test]
    fn only_slow_subscribers_are_disconnected() {
        let hub = Hub::default();
        let (mut slow, mut quick) = (hub.subscribe(Locale::EnUs), hub.subscribe(Locale::De));
        for subscriber in [&mut slow, &mut quick] {
            subscriber.set_topics(&topics(&["ticket:1"]));
        }
        for _ in 0..=QUEUE_CAPACITY {
            hub.publish("ticket:1", &same("a"));
            quick.messages.try_recv().unwrap();
        }
        assert!(slow.slow.is_cancelled() && !quick.slow.is_cancelled());
    }
}
