//! Joins streams of entities that are sorted by the same key (a merge join), so that only the entities of one key are
//! in memory at a time.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use tokio::time::{Instant, sleep_until};

use super::entity::Entity;
use super::malformed::Malformed;

/// Shorter sleeps are accumulated, because the resolution of a sleep is about a millisecond.
const MIN_SLEEP: Duration = Duration::from_millis(20);

/// Maximum number of malformed documents that one stream collects. Further ones are only counted.
const MAX_MALFORMED: usize = 1_000;

/// Limits the number of documents that are read in a second.
#[derive(Debug)]
pub(super) struct ReadRateLimit {
    /// The duration that the rate limit allots to each document.
    per_document: Duration,
    /// The earliest time at which the rate limit allows another read.
    due: Instant,
    /// Number of documents that were counted.
    pub(super) documents: u64,
}

impl ReadRateLimit {
    /// Creates a limit of `rate` documents in a second.
    pub(super) fn new(rate: NonZeroU32) -> Self {
        Self { per_document: Duration::from_secs(1) / rate.get(), due: Instant::now(), documents: 0 }
    }

    /// Counts documents that were read, and waits until the rate limit allows the next read.
    pub(super) async fn count(&mut self, documents: usize) {
        self.documents += documents as u64;
        let now = Instant::now();
        let cost = self.per_document * u32::try_from(documents).unwrap_or(u32::MAX);
        self.due = self.due.max(now) + cost;
        if self.due > now + MIN_SLEEP {
            sleep_until(self.due).await;
        }
    }
}

/// The result of decoding a document: an entity, or the report that the document is malformed.
pub(super) type Decoded = Result<Entity, Box<Malformed>>;

/// A function that returns the key by which entities are sorted and joined.
pub(super) type Key = fn(&Entity) -> &str;

/// A stream of entities in ascending order of a key. Several entities may have the same key.
pub(super) struct Sorted {
    /// The name of the collection, for error messages.
    name: String,
    stream: BoxStream<'static, mongodb::error::Result<Decoded>>,
    key: Key,
    /// The next entity, which was read ahead; `None` at the end.
    next: Option<Entity>,
    /// The malformed documents, which the stream skips; at most [`MAX_MALFORMED`].
    pub(super) malformed: Vec<Malformed>,
    /// Number of malformed documents beyond the maximum.
    pub(super) uncollected: u64,
}

impl Sorted {
    pub(super) async fn new(
        name: String,
        stream: BoxStream<'static, mongodb::error::Result<Decoded>>,
        key: Key,
    ) -> Result<Self> {
        let mut sorted = Self { name, stream, key, next: None, malformed: Vec::new(), uncollected: 0 };
        sorted.next = sorted.read().await?;
        Ok(sorted)
    }

    /// Reads the next entity. Malformed documents before it are skipped, and kept as findings.
    async fn read(&mut self) -> Result<Option<Entity>> {
        loop {
            let decoded = self.stream.try_next().await.with_context(|| format!("{} can't be read", self.name))?;
            match decoded {
                None => return Ok(None),
                Some(Ok(entity)) => return Ok(Some(entity)),
                Some(Err(malformed)) if self.malformed.len() < MAX_MALFORMED => self.malformed.push(*malformed),
                Some(Err(_)) => self.uncollected += 1,
            }
        }
    }

    /// The key of the next entity; `None` at the end.
    fn key(&self) -> Option<&str> {
        self.next.as_ref().map(self.key)
    }

    /// Takes the next entities as long as they have this key. Returns them sorted by id; none if the next key differs.
    async fn take_all_of(&mut self, key: &str) -> Result<Vec<Entity>> {
        let mut taken = Vec::new();
        while self.key() == Some(key) {
            let following = self.read().await?;
            let is_ascending = following.as_ref().is_none_or(|following| (self.key)(following) >= key);
            ensure!(is_ascending, "{} is not sorted after {key}", self.name);
            taken.extend(std::mem::replace(&mut self.next, following));
        }
        taken.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(taken)
    }
}

/// The entities with one key, from all streams of a join.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) key: String,
    /// The entities of each stream, in the order of the streams.
    pub(super) entities: Vec<Vec<Entity>>,
}

impl Joined {
    /// The entity from the stream with this index, in which each key occurs at most once.
    pub(super) fn one(&self, stream: usize) -> Option<&Entity> {
        self.all(stream).first()
    }

    /// The entities from the stream with this index.
    pub(super) fn all(&self, stream: usize) -> &[Entity] {
        self.entities.get(stream).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Streams that are sorted by the same key.
pub(super) struct Join(pub(super) Vec<Sorted>);

impl Join {
    /// Takes the entities with the smallest key that any stream still has; `None` once all streams have ended.
    pub(super) async fn next(&mut self, rate_limit: &mut ReadRateLimit) -> Result<Option<Joined>> {
        let Some(key) = self.0.iter().filter_map(Sorted::key).min().map(ToOwned::to_owned) else { return Ok(None) };
        let mut entities = Vec::with_capacity(self.0.len());
        for stream in &mut self.0 {
            entities.push(stream.take_all_of(&key).await?);
        }
        rate_limit.count(entities.iter().map(Vec::len).sum()).await;
        Ok(Some(Joined { key, entities }))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream;
    use serde_json::json;

    use super::*;
    use crate::audit::entity::text;
    use crate::audit::finding::Finding;
    use crate::audit::fixtures::entity;
    use crate::audit::names::WELL_FORMED;

    async fn sorted(keys: &[(&str, &str)]) -> Sorted {
        let entities: Vec<_> = keys.iter().map(|(id, key)| Ok(Ok(entity(id, json!(key))))).collect();
        Sorted::new("orders".to_owned(), stream::iter(entities).boxed(), |entity| text(&entity.state)).await.unwrap()
    }

    fn rate_limit(rate: u32) -> ReadRateLimit {
        ReadRateLimit::new(NonZeroU32::new(rate).unwrap())
    }

    #[tokio::test]
    async fn join_returns_all_entities_of_a_key_together() {
        let one = sorted(&[("1", "a"), ("2", "c"), ("3", "d")]).await;
        let other = sorted(&[("4", "b"), ("5", "c"), ("6", "c")]).await;
        let (mut join, mut rate_limit) = (Join(vec![one, other]), rate_limit(1_000_000));
        let mut lines = Vec::new();
        while let Some(joined) = join.next(&mut rate_limit).await.unwrap() {
            let ids = |stream| joined.all(stream).iter().map(|entity| entity.id.as_str()).collect::<Vec<_>>().concat();
            lines.push(format!("{} {}|{}", joined.key, ids(0), ids(1)));
        }
        assert_eq!(lines, ["a 1|", "b |4", "c 2|56", "d 3|"]);
        assert_eq!(rate_limit.documents, 6);
    }

    #[tokio::test]
    async fn malformed_documents_are_skipped_and_collected() {
        let malformed = || {
            let finding = Finding::new(WELL_FORMED, "orders", ["2"], "wrong".to_owned());
            Ok(Err(Box::new(Malformed { key: "2".to_owned(), finding })))
        };
        let read = vec![malformed(), Ok(Ok(entity("1", json!("a")))), malformed(), Ok(Ok(entity("3", json!("b"))))];
        let key: Key = |entity| text(&entity.state);
        let mut join = Join(vec![Sorted::new("orders".to_owned(), stream::iter(read).boxed(), key).await.unwrap()]);
        let (mut rate_limit, mut keys) = (rate_limit(1_000_000), Vec::new());
        while let Some(joined) = join.next(&mut rate_limit).await.unwrap() {
            keys.push(joined.key);
        }
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(join.0[0].malformed.len(), 2);
    }

    #[tokio::test]
    async fn malformed_documents_beyond_the_maximum_are_counted() {
        let malformed = |id: usize| -> mongodb::error::Result<Decoded> {
            let (key, wrong) = (id.to_string(), "wrong".to_owned());
            let finding = Finding::new(WELL_FORMED, "orders", [key.as_str()], wrong);
            Ok(Err(Box::new(Malformed { key, finding })))
        };
        let read = stream::iter((0..MAX_MALFORMED + 3).map(malformed)).boxed();
        let sorted = Sorted::new("orders".to_owned(), read, |entity| text(&entity.state)).await.unwrap();
        assert_eq!((sorted.malformed.len(), sorted.uncollected), (MAX_MALFORMED, 3));
    }

    #[tokio::test]
    async fn descending_keys_are_an_error() {
        let mut join = Join(vec![sorted(&[("1", "b"), ("2", "a")]).await]);
        let error = join.next(&mut rate_limit(1_000_000)).await.unwrap_err();
        assert_eq!(error.to_string(), "orders is not sorted after b");
    }

    #[tokio::test(start_paused = true)]
    async fn documents_in_a_second_are_limited() {
        let (mut rate_limit, began) = (rate_limit(100), Instant::now());
        for _ in 0..50 {
            rate_limit.count(10).await;
        }
        let elapsed = began.elapsed();
        assert!(elapsed > Duration::from_millis(4_900) && elapsed < Duration::from_millis(5_200), "{elapsed:?}");
    }
}
