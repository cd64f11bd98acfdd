//! What was heard in the last few seconds. A page that begins to listen looks at the read model for
//! what it has missed; what has been told already but is not there yet, it finds here.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Much longer than the read model is behind, while all is well.
const KEPT: Duration = Duration::from_secs(5);

/// The latest of each key; cheap to clone.
pub struct Recent<K, V>(Arc<Mutex<Entries<K, V>>>);

struct Entries<K, V> {
    latest: HashMap<K, (Instant, V)>,
    heard: VecDeque<(Instant, K)>,
}

impl<K, V> Clone for Recent<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { latest: HashMap::new(), heard: VecDeque::new() })))
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// Keeps it for a while, in place of what there was.
    pub fn put(&self, key: K, value: V) {
        let now = Instant::now();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, key)) = entries.heard.pop_front_if(|(at, _)| now.duration_since(*at) > KEPT) {
            if entries.latest.get(&key).is_some_and(|(at, _)| now.duration_since(*at) > KEPT) {
                entries.latest.remove(&key);
            }
        }
        entries.heard.push_back((now, key.clone()));
        entries.latest.insert(key, (now, value));
    }

    /// The latest, if it was heard a moment ago.
    pub fn get(&self, key: &K) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.latest.get(key).map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_latest_is_kept_for_a_while_and_no_longer() {
        let recent = Recent::default();
        recent.put("a", 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        recent.put("a", 2);
        recent.put("b", 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        // The first of `a` is forgotten, the second is not.
        recent.put("c", 1);
        assert_eq!((recent.get(&"a"), recent.get(&"b")), (Some(2), Some(1)));
        tokio::time::advance(Duration::from_secs(4)).await;
        recent.put("d", 1);
        assert_eq!((recent.get(&"a"), recent.get(&"b"), recent.get(&"c")), (None, None, Some(1)));
    }
}
