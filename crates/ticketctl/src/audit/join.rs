//! Joins sorted streams of entities, so that the audit holds the entities of one key at a time.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use tokio::time::{Instant, sleep_until};

use super::entity::Entity;
use super::malformed::Malformed;

/// Shorter sleeps are accumulated, because timers have a resolution of about a millisecond.
const MIN_SLEEP: Duration = Duration::from_millis(20);

/// Maximum number of malformed documents of one stream that are remembered.
const MAX_MALFORMED: usize = 1_000;

/// Limits the number of documents that are read in a second.
#[derive(Debug)]
pub(super) struct Pace {
    per_document: Duration,
    /// The earliest time at which the rate limit allows another read.
    due: Instant,
    /// Number of documents that were read.
    pub(super) documents: u64,
}

impl Pace {
    /// At most this number of documents in a second.
    pub(super) fn new(rate: NonZeroU32) -> Self {
        Self { per_document: Duration::from_secs(1) / rate.get(), due: Instant::now(), documents: 0 }
    }

    /// Counts documents that were read, and waits until more may be read.
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

/// A document that was read.
pub(super) type Decoded = Result<Entity, Box<Malformed>>;

/// The key that entities are sorted and joined by.
pub(super) type Key = fn(&Entity) -> &str;

/// A stream of entities in ascending order of a key. Several entities may have the same key.
pub(super) struct Sorted {
    /// The name of the collection, for errors.
    name: String,
    stream: BoxStream<'static, mongodb::error::Result<Decoded>>,
    key: Key,
    next: Option<Entity>,
    /// The malformed documents that were left out, up to a maximum.
    pub(super) malformed: Vec<Malformed>,
}

impl Sorted {
    pub(super) async fn new(
        name: String,
        stream: BoxStream<'static, mongodb::error::Result<Decoded>>,
        key: Key,
    ) -> Result<Self> {
        let mut sorted = Self { name, stream, key, next: None, malformed: Vec::new() };
        sorted.next = sorted.read().await?;
        Ok(sorted)
    }

    /// The next entity.
    async fn read(&mut self) -> Result<Option<Entity>> {
        loop {
            let decoded = self.stream.try_next().await.with_context(|| format!("{} can't be read", self.name))?;
            match decoded {
                None => return Ok(None),
                Some(Ok(entity)) => return Ok(Some(entity)),
                Some(Err(malformed)) if self.malformed.len() < MAX_MALFORMED => self.malformed.push(*malformed),
                Some(Err(_)) => {}
            }
        }
    }

    fn key(&self) -> Option<&str> {
        self.next.as_ref().map(self.key)
    }

    /// Takes the next entities that have this key, sorted by id.
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

/// The entities that have one key, from all streams of a join.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) key: String,
    /// The entities of each stream, in the order of the streams.
    pub(super) entities: Vec<Vec<Entity>>,
}

impl Joined {
    /// The entity from this stream, in which each key occurs at most once.
    pub(super) fn one(&self, stream: usize) -> Option<&Entity> {
        self.all(stream).first()
    }

    /// The entities from this stream.
    pub(super) fn all(&self, stream: usize) -> &[Entity] {
        self.entities.get(stream).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Streams that are sorted by the same key.
pub(super) struct Join(pub(super) Vec<Sorted>);

impl Join {
    /// The entities of the next key in any of the streams.
    pub(super) async fn next(&mut self, pace: &mut Pace) -> Result<Option<Joined>> {
        let Some(key) = self.0.iter().filter_map(Sorted::key).min().map(ToOwned::to_owned) else { return Ok(None) };
        let mut entities = Vec::with_capacity(self.0.len());
        for stream in &mut self.0 {
            entities.push(stream.take_all_of(&key).await?);
        }
        pace.count(entities.iter().map(Vec::len).sum()).await;
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

    fn pace(rate: u32) -> Pace {
        Pace::new(NonZeroU32::new(rate).unwrap())
    }

    #[tokio::test]
    async fn join_groups_the_entities_of_a_key() {
        let one = sorted(&[("1", "a"), ("2", "c"), ("3", "d")]).await;
        let other = sorted(&[("4", "b"), ("5", "c"), ("6", "c")]).await;
        let (mut join, mut pace) = (Join(vec![one, other]), pace(1_000_000));
        let mut groups = Vec::new();
        while let Some(joined) = join.next(&mut pace).await.unwrap() {
            let ids = |stream| joined.all(stream).iter().map(|entity| entity.id.as_str()).collect::<Vec<_>>().concat();
            groups.push(format!("{} {}|{}", joined.key, ids(0), ids(1)));
        }
        assert_eq!(groups, ["a 1|", "b |4", "c 2|56", "d 3|"]);
        assert_eq!(pace.documents, 6);
    }

    #[tokio::test]
    async fn malformed_documents_are_left_out_and_remembered() {
        let malformed = || {
            let finding = Finding::new(WELL_FORMED, "orders", ["2"], "wrong".to_owned());
            Ok(Err(Box::new(Malformed { key: "2".to_owned(), finding })))
        };
        let read = vec![malformed(), Ok(Ok(entity("1", json!("a")))), malformed(), Ok(Ok(entity("3", json!("b"))))];
        let key: Key = |entity| text(&entity.state);
        let mut join = Join(vec![Sorted::new("orders".to_owned(), stream::iter(read).boxed(), key).await.unwrap()]);
        let (mut pace, mut keys) = (pace(1_000_000), Vec::new());
        while let Some(joined) = join.next(&mut pace).await.unwrap() {
            keys.push(joined.key);
        }
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(join.0[0].malformed.len(), 2);
    }

    #[tokio::test]
    async fn descending_keys_are_an_error() {
        let mut join = Join(vec![sorted(&[("1", "b"), ("2", "a")]).await]);
        let error = join.next(&mut pace(1_000_000)).await.unwrap_err();
        assert_eq!(error.to_string(), "orders is not sorted after b");
    }

    #[tokio::test(start_paused = true)]
    async fn pace_limits_the_documents_in_a_second() {
        let (mut pace, began) = (pace(100), Instant::now());
        for _ in 0..50 {
            pace.count(10).await;
        }
        let elapsed = began.elapsed();
        assert!(elapsed > Duration::from_millis(4_900) && elapsed < Duration::from_millis(5_200), "{elapsed:?}");
    }
}
