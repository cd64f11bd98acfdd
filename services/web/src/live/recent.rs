//! A short-lived cache of recent events. A page that connects is brought up to date from the read model and from this
//! cache, because the read model may lag behind published events.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an event is kept: well above the usual lag of the read model.
const TTL: Duration = Duration::from_secs(5);

/// The latest value of each key; cheap to clone.
pub(crate) struct RecentEvents<K, V>(Arc<Mutex<Entries<K, V>>>);

struct Entries<K, V> {
    latest: HashMap<K, (Instant, V)>,
    expiry_queue: VecDeque<(Instant, K)>,
}

impl<K, V> Clone for RecentEvents<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for RecentEvents<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { latest: HashMap::new(), expiry_queue: VecDeque::new() })))
    }
}

impl<K: Clone + Eq + Hash, V: Clone> RecentEvents<K, V> {
    /// Stores a value in place of the previous one, and evicts values older than `TTL`.
    pub(crate) fn put(&self, key: K, value: V) {
        let now = Instant::now();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, key)) = entries.expiry_queue.pop_front_if(|(at, _)| now.duration_since(*at) > TTL) {
            if entries.latest.get(&key).is_some_and(|(at, _)| now.duration_since(*at) > TTL) {
                entries.latest.remove(&key);
            }
        }
        entries.expiry_queue.push_back((now, key.clone()));
        entries.latest.insert(key, (now, value));
    }

    /// The latest value. It may be older than `TTL`, since only `put` evicts.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.latest.get(key).map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn values_are_evicted_after_the_ttl() {
        let recent = RecentEvents::default();
        recent.put("a", 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        recent.put("a", 2);
        recent.put("b", 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        // The first value of `a` is evicted, the second is not.
        recent.put("c", 1);
        assert_eq!((recent.get(&"a"), recent.get(&"b")), (Some(2), Some(1)));
        tokio::time::advance(Duration::from_secs(4)).await;
        recent.put("d", 1);
        assert_eq!((recent.get(&"a"), recent.get(&"b"), recent.get(&"c")), (None, None, Some(1)));
    }
}
