//! Reads collections sorted by a key, from a secondary if possible.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{CollectionOptions, Hint, ReadPreference, ReadPreferenceOptions, SelectionCriteria};
use mongodb::{Client, Database};

use super::entity::Entity;
use super::indexes;
use super::join::{Join, Key, ReadRateLimit, Sorted};
use super::malformed::Place;
use super::provider::Provider;
use super::streams::Streams;

/// Number of documents in a batch of a cursor.
const BATCH_SIZE: u32 = 1_000;
/// Maximum lag of a secondary that is read. A secondary that lags further would hide recent violations. MongoDB accepts
/// no maximum below 90 s.
const MAX_STALENESS: Duration = Duration::from_secs(120);

/// How to read a collection: the sort key, and which documents and fields.
pub(super) struct Read<'a> {
    pub(super) database: &'a str,
    pub(super) collection: &'a str,
    /// The path of the sort key in a document.
    pub(super) field: &'static str,
    /// The function that returns the sort key of a decoded document.
    pub(super) key: Key,
    pub(super) filter: Document,
    pub(super) projection: Document,
    /// The index to read. Without it, or if it does not exist, MongoDB sorts the documents, on disk if necessary.
    pub(super) index: Option<&'static str>,
}

impl<'a> Read<'a> {
    /// All documents of a collection, sorted by id.
    pub(super) fn by_id(database: &'a str, collection: &'a str, projection: Document) -> Self {
        let key: Key = |entity| &entity.id;
        Self { database, collection, field: "_id", key, filter: Document::new(), projection, index: None }
    }
}

/// The open sources that the checks read: the databases, and the streams and the payment provider if they are audited.
pub(super) struct AuditSources<'a> {
    pub(super) client: &'a Client,
    selection: SelectionCriteria,
    pub(super) rate_limit: ReadRateLimit,
    /// Number of audited aggregates by collection; filled by the checks.
    pub(super) audited: BTreeMap<String, usize>,
    /// The streams, if they are audited.
    pub(super) streams: Option<Streams>,
    /// The payment provider, if it is audited.
    pub(super) provider: Option<Provider>,
}

impl<'a> AuditSources<'a> {
    /// Opens the databases only. To spare the primary, they are read from a secondary whose lag is small, if there is
    /// one.
    pub(super) fn new(client: &'a Client, rate_limit: ReadRateLimit) -> Self {
        let selection = recent_secondary();
        Self { client, selection, rate_limit, audited: BTreeMap::new(), streams: None, provider: None }
    }

    /// Makes all later reads go to the primary, which has the newest data.
    pub(super) fn use_primary(&mut self) {
        self.selection = ReadPreference::Primary.into();
    }

    /// Starts to read a collection, or only the documents whose sort keys are in `only`.
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
        // A cursor idles while the other collections of a join are read, so MongoDB must not time it out. If the
        // program is killed, MongoDB closes the cursor with its session after half an hour.
        let found = found.batch_size(BATCH_SIZE).allow_disk_use(true).no_cursor_timeout(true);
        let cursor = match hint {
            Some(hint) => found.hint(hint).await?,
            None => found.await?,
        };
        Sorted::new(name, cursor.map_ok(move |document| place.decode(&document)).boxed(), key).await
    }

    /// Reads the entities with these ids. Returns them by id, without those that do not exist.
    pub(super) async fn get(&mut self, read: Read<'_>, ids: &[String]) -> Result<BTreeMap<String, Entity>> {
        let mut join = Join(vec![self.open(read, Some(ids)).await?]);
        let mut entities = BTreeMap::new();
        while let Some(joined) = join.next(&mut self.rate_limit).await? {
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
