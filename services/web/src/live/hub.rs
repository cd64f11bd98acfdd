//! Who is to be told about what, on this instance.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many messages wait for one browser at most; one that takes no more is let go, and comes back.
const WAITING: usize = 32;

/// The topics and their listeners; cheap to clone.
#[derive(Clone, Default)]
pub struct Hub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    topics: Mutex<HashMap<Arc<str>, HashMap<u64, Sender>>>,
    last: AtomicU64,
}

#[derive(Clone)]
struct Sender {
    queue: mpsc::Sender<Utf8Bytes>,
    slow: CancellationToken,
}

/// One connected page. It hears what it listens to until it is dropped.
pub struct Listener {
    hub: Hub,
    id: u64,
    sender: Sender,
    topics: Vec<Arc<str>>,
    /// What it is told.
    pub messages: mpsc::Receiver<Utf8Bytes>,
    /// Cancelled when it does not keep up.
    pub slow: CancellationToken,
}

impl Hub {
    /// A listener that listens to nothing yet.
    pub fn listener(&self) -> Listener {
        let (queue, messages) = mpsc::channel(WAITING);
        let slow = CancellationToken::new();
        let id = self.0.last.fetch_add(1, Ordering::Relaxed);
        let sender = Sender { queue, slow: slow.clone() };
        Listener { hub: self.clone(), id, sender, topics: Vec::new(), messages, slow }
    }

    /// Whether anybody listens to the topic.
    pub fn is_heard(&self, topic: &str) -> bool {
        self.topics().contains_key(topic)
    }

    /// Tells everybody who listens to the topic. Nobody is waited for.
    pub fn tell(&self, topic: &str, message: &Utf8Bytes) {
        let topics = self.topics();
        for sender in topics.get(topic).into_iter().flat_map(HashMap::values) {
            if sender.queue.try_send(message.clone()).is_err() {
                sender.slow.cancel();
            }
        }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Arc<str>, HashMap<u64, Sender>>> {
        self.0.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Listens to these topics, and no longer to any other.
    pub fn listen_to(&mut self, wanted: &[String]) {
        let mut topics = self.hub.topics();
        self.topics.retain(|topic| {
            let keep = wanted.iter().any(|wanted| **wanted == **topic);
            if !keep {
                leave(&mut topics, topic, self.id);
            }
            keep
        });
        for wanted in wanted {
            if self.topics.iter().any(|topic| **topic == **wanted) {
                continue;
            }
            let topic = topics.get_key_value(wanted.as_str()).map(|(topic, _)| Arc::clone(topic));
            let topic = topic.unwrap_or_else(|| wanted.as_str().into());
            topics.entry(Arc::clone(&topic)).or_default().insert(self.id, self.sender.clone());
            self.topics.push(topic);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut topics = self.hub.topics();
        for topic in &self.topics {
            leave(&mut topics, topic, self.id);
        }
    }
}

fn leave(topics: &mut HashMap<Arc<str>, HashMap<u64, Sender>>, topic: &str, id: u64) {
    if let Some(listeners) = topics.get_mut(topic) {
        listeners.remove(&id);
        if listeners.is_empty() {
            topics.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(topics: &[&str]) -> Vec<String> {
        topics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_hears_what_it_listens_to_while_it_does() {
        let hub = Hub::default();
        let (mut one, mut two) = (hub.listener(), hub.listener());
        one.listen_to(&wants(&["ticket:1", "ticket:2"]));
        two.listen_to(&wants(&["ticket:2"]));
        hub.tell("ticket:1", &"a".into());
        hub.tell("ticket:2", &"b".into());
        hub.tell("ticket:3", &"c".into());
        one.listen_to(&wants(&["ticket:3"]));
        hub.tell("ticket:1", &"d".into());
        hub.tell("ticket:3", &"e".into());
        let heard = |listener: &mut Listener| -> Vec<String> {
            std::iter::from_fn(|| listener.messages.try_recv().ok()).map(|text| text.to_string()).collect()
        };
        assert_eq!(heard(&mut one), ["a", "b", "e"]);
        assert_eq!(heard(&mut two), ["b"]);
        drop((one, two));
        assert!(!hub.is_heard("ticket:2") && !hub.is_heard("ticket:3"), "nothing is left behind");
    }

    #[test]
    fn who_does_not_keep_up_is_let_go_and_nobody_else() {
        let hub = Hub::default();
        let (mut slow, mut quick) = (hub.listener(), hub.listener());
        for listener in [&mut slow, &mut quick] {
            listener.listen_to(&wants(&["ticket:1"]));
        }
        for _ in 0..=WAITING {
            hub.tell("ticket:1", &"a".into());
            quick.messages.try_recv().unwrap();
        }
        assert!(slow.slow.is_cancelled() && !quick.slow.is_cancelled());
    }
}
