//! Reads collections in the order of a key.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{CollectionOptions, Hint, ReadPreference, ReadPreferenceOptions, SelectionCriteria};
use mongodb::{Client, Database};

use super::entity::Entity;
use super::indexes;
use super::join::{Join, Key, Pace, Sorted};
use super::malformed::Place;
use super::provider::Provider;
use super::streams::Streams;

/// Number of documents that a cursor holds.
const BATCH_SIZE: u32 = 1_000;
/// Lag of a secondary behind the primary above which it is not read, since it does not show what became wrong meanwhile.
/// MongoDB accepts no less than 90 s.
const MAX_STALENESS: Duration = Duration::from_secs(120);

/// A collection that is read in the order of a key.
pub(super) struct Read<'a> {
    pub(super) database: &'a str,
    pub(super) collection: &'a str,
    /// The path of the key.
    pub(super) field: &'static str,
    pub(super) key: Key,
    pub(super) filter: Document,
    pub(super) projection: Document,
    /// The index that is read, if it exists; else MongoDB sorts, on disk if it has to.
    pub(super) index: Option<&'static str>,
}

impl<'a> Read<'a> {
    /// All of a collection, by id.
    pub(super) fn by_id(database: &'a str, collection: &'a str, projection: Document) -> Self {
        let key: Key = |entity| &entity.id;
        Self { database, collection, field: "_id", key, filter: Document::new(), projection, index: None }
    }
}

/// Reads the databases for the checks, and has what they read besides.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    selection: SelectionCriteria,
    pub(super) pace: Pace,
    /// Number of entities by collection of their owner.
    pub(super) audited: BTreeMap<String, usize>,
    /// The streams, if NATS is known.
    pub(super) streams: Option<Streams>,
    /// The payment provider, if a key for it is known.
    pub(super) provider: Option<Provider>,
}

impl<'a> Reader<'a> {
    /// Reads from a secondary if there is one that is up to date, to spare the primary.
    pub(super) fn new(client: &'a Client, pace: Pace) -> Self {
        let selection = recent_secondary();
        Self { client, selection, pace, audited: BTreeMap::new(), streams: None, provider: None }
    }

    /// Reads from the primary, which is not behind.
    pub(super) fn use_primary(&mut self) {
        self.selection = ReadPreference::Primary.into();
    }

    /// Opens a collection, or only its documents with these keys.
    pub(super) async fn open(&self, read: Read<'_>, only: Option<&[String]>) -> Result<Sorted> {
        let Read { database, collection, field, key, mut filter, projection, index } = read;
        let name = format!("{database}.{collection}");
        let place = Place::new(database, collection, field);
        let database = self.client.database(database);
        if let Some(keys) = only {
            filter.insert(field, doc! { "$in": keys.to_vec() });
        }
        let hint = match index {
            Some(index) => has_index(&database, collection, index).await?.then(|| Hint::Name(index.to_owned())),
            None => None,
        };
        let options = CollectionOptions::builder().selection_criteria(self.selection.clone()).build();
        let documents = database.collection_with_options::<RawDocumentBuf>(collection, options);
        let found = documents.find(filter).projection(projection).sort(doc! { field: 1 });
        // The cursor of a collection with few documents idles while the others are read. MongoDB closes it half an hour
        // after the program has ended, with its session.
        let found = found.batch_size(BATCH_SIZE).allow_disk_use(true).no_cursor_timeout(true);
        let cursor = match hint {
            Some(hint) => found.hint(hint).await?,
            None => found.await?,
        };
        Sorted::new(name, cursor.map_ok(move |document| place.decode(&document)).boxed(), key).await
    }

    /// The entities with these ids, by id.
    pub(super) async fn get(&mut self, read: Read<'_>, ids: &[String]) -> Result<BTreeMap<String, Entity>> {
        let mut join = Join(vec![self.open(read, Some(ids)).await?]);
        let mut entities = BTreeMap::new();
        while let Some(joined) = join.next(&mut self.pace).await? {
            entities.extend(joined.entities.into_iter().flatten().map(|entity| (entity.id.clone(), entity)));
        }
        Ok(entities)
    }
}

fn recent_secondary() -> SelectionCriteria {
    let options = ReadPreferenceOptions::builder().max_staleness(MAX_STALENESS).build();
    ReadPreference::SecondaryPreferred { options: Some(options) }.into()
}

async fn has_index(database: &Database, collection: &str, name: &str) -> Result<bool> {
    let existing = indexes::indexes_of(database, collection).await?;
    Ok(existing.iter().any(|model| indexes::name_of(model) == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secondary_that_lags_is_not_read() {
        let SelectionCriteria::ReadPreference(ReadPreference::SecondaryPreferred { options: Some(options) }) =
            recent_secondary()
        else {
            panic!("{:?}", recent_secondary());
        };
        assert!(options.max_staleness.is_some_and(|lag| lag >= Duration::from_secs(90)), "{options:?}");
    }
}
