//! A collection whose reads and writes are batched; see [`batcher`](super::batcher) for why.

use std::collections::HashMap;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::Collection;
use mongodb::bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use mongodb::bson::{Bson, Document, deserialize_from_document, deserialize_from_slice, doc};
use mongodb::error::{Error, ErrorKind, IndexedWriteError, WriteConcernError};
use mongodb::options::{FindOptions, Hint};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::batcher::Batcher;
use super::error::StoreError;
use super::index::PartialIndex;
use super::update::{Precondition, Update};
use super::{as_i64, bson, versioned_fields};
use crate::lifecycle::Backoff;
use crate::mongo::{self, WriteConcernFailed};

/// Maximum number of read batches in flight.
const READS: usize = 2;
/// Maximum number of write batches in flight: while one waits for the journal, the next accumulates.
const WRITES: usize = 1;
/// How many times a batch of updates is sent again, after a pause, when its result is unknown.
const RESENDS: u32 = 1;
/// Maximum number of upserts retried at once.
const RETRIES: usize = 16;

/// A collection with one batcher for each kind of command.
#[derive(Clone)]
pub(crate) struct BatchedCollection {
    pub(crate) collection: Collection<Document>,
    finds: Batcher<FindRequest, Result<Vec<RawDocumentBuf>, StoreError>>,
    inserts: Batcher<Document, Result<(), StoreError>>,
    updates: Batcher<Update, Result<bool, StoreError>>,
}

/// Selects the documents that have this value in `field` and match `also`.
struct FindRequest {
    field: &'static str,
    value: String,
    also: Document,
    /// The index to use; by default the planner chooses.
    index: Option<&'static str>,
}

impl FindRequest {
    /// Whether one query can find the documents of both requests.
    fn can_share_query(&self, other: &Self) -> bool {
        self.field == other.field && self.index == other.index && self.also == other.also
    }
}

impl BatchedCollection {
    pub(crate) fn new(collection: Collection<Document>) -> Self {
        let (finds, inserts, updates) = (collection.clone(), collection.clone(), collection.clone());
        Self {
            collection,
            finds: Batcher::new(READS, move |requests| find_all(finds.clone(), requests)),
            inserts: Batcher::new(WRITES, move |documents| insert_all(inserts.clone(), documents)),
            updates: Batcher::new(WRITES, move |changes| update_all(updates.clone(), changes)),
        }
    }

    /// Finds the documents that have this value in `field` and match `also`, ordered by id. Reads `version` and `state`
    /// only.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        field: &'static str,
        value: String,
        also: Document,
    ) -> Result<Vec<T>, StoreError> {
        decode_all(&self.look_up(FindRequest { field, value, also, index: None }).await?)
    }

    /// Like [`BatchedCollection::find`], without decoding the documents and without further conditions.
    pub(crate) async fn find_stored(
        &self,
        field: &'static str,
        value: String,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        self.look_up(FindRequest { field, value, also: Document::new(), index: None }).await
    }

    /// Like [`BatchedCollection::find`], for the documents in this index.
    pub(crate) async fn find_in<T: DeserializeOwned, I: AsRef<str>>(
        &self,
        index: &'static PartialIndex<I>,
        value: String,
    ) -> Result<Vec<T>, StoreError> {
        let (field, also, index) = (index.field, index.filter(), Some(index.name));
        decode_all(&self.look_up(FindRequest { field, value, also, index }).await?)
    }

    async fn look_up(&self, request: FindRequest) -> Result<Vec<RawDocumentBuf>, StoreError> {
        self.finds.call(request).await.unwrap_or_else(|| Err(batch_failed()))
    }

    /// Finds documents without batching. Reads `version` and `state` only.
    pub(crate) async fn query<T: DeserializeOwned + Send + Sync>(
        &self,
        filter: Document,
        mut options: FindOptions,
    ) -> Result<Vec<T>, StoreError> {
        options.projection = Some(versioned_fields());
        let found = self.collection.clone_with_type::<T>().find(filter).with_options(options).await?;
        Ok(found.try_collect().await?)
    }

    pub(crate) async fn insert(&self, document: Document) -> Result<(), StoreError> {
        self.inserts.call(document).await.unwrap_or_else(|| Err(batch_failed()))
    }

    /// Applies the update. Returns whether its precondition held.
    pub(crate) async fn update(&self, update: Update) -> Result<bool, StoreError> {
        self.updates.call(update).await.unwrap_or_else(|| Err(batch_failed()))
    }
}

fn decode_all<T: DeserializeOwned>(found: &[RawDocumentBuf]) -> Result<Vec<T>, StoreError> {
    found.iter().map(|found| deserialize_from_slice(found.as_bytes()).map_err(StoreError::encoding)).collect()
}

fn batch_failed() -> StoreError {
    Error::custom("the batch of this call panicked or was aborted".to_owned()).into()
}

async fn find_all(
    collection: Collection<Document>,
    requests: Vec<FindRequest>,
) -> Vec<Result<Vec<RawDocumentBuf>, StoreError>> {
    let mut queries: Vec<(&FindRequest, Vec<&str>)> = Vec::new();
    for request in &requests {
        match queries.iter_mut().find(|(query, _)| query.can_share_query(request)) {
            Some((_, values)) => values.push(&request.value),
            None => queries.push((request, vec![&request.value])),
        }
    }
    let found = join_all(queries.into_iter().map(|(query, values)| find_values(&collection, query, values))).await;
    let found: Result<Vec<_>, StoreError> = found.into_iter().collect();
    let result_of = |request: &FindRequest| {
        let queries = found.as_ref().map_err(Clone::clone)?;
        let query = queries.iter().find(|(query, _)| query.can_share_query(request));
        Ok(query.and_then(|(_, by_value)| by_value.get(&request.value).cloned()).unwrap_or_default())
    };
    requests.iter().map(result_of).collect()
}

/// Runs one query for all these values of the field, and groups the documents by value.
async fn find_values<'a>(
    collection: &Collection<Document>,
    query: &'a FindRequest,
    mut values: Vec<&str>,
) -> Result<(&'a FindRequest, HashMap<String, Vec<RawDocumentBuf>>), StoreError> {
    values.sort_unstable();
    values.dedup();
    let mut filter = query.also.clone();
    match values.as_slice() {
        // MongoDB has a fast path for equality with an id.
        [value] => filter.insert(query.field, *value),
        values => filter.insert(query.field, doc! { "$in": values }),
    };
    let collection = collection.clone_with_type::<RawDocumentBuf>();
    let options = FindOptions::builder()
        .projection(versioned_fields())
        .hint(query.index.map(|name| Hint::Name(name.to_owned())))
        .build();
    let found = collection.find(filter).with_options(options).await?;
    let mut by_value: HashMap<String, Vec<RawDocumentBuf>> = HashMap::new();
    for document in found.try_collect::<Vec<_>>().await? {
        let value = text_at(&document, query.field).unwrap_or_default().to_owned();
        by_value.entry(value).or_default().push(document);
    }
    for documents in by_value.values_mut() {
        documents.sort_by(|one, other| text_at(one, "_id").cmp(&text_at(other, "_id")));
    }
    Ok((query, by_value))
}

/// The text at a dotted path.
fn text_at<'a>(document: &'a RawDocument, path: &str) -> Option<&'a str> {
    match path.split_once('.') {
        Some((first, rest)) => text_at(document.get_document(first).ok()?, rest),
        None => match document.get(path) {
            Ok(Some(RawBsonRef::String(text))) => Some(text),
            _ => None,
        },
    }
}

async fn insert_all(collection: Collection<Document>, documents: Vec<Document>) -> Vec<Result<(), StoreError>> {
    let count = documents.len();
    let Err(error) = collection.insert_many(documents).ordered(false).await else { return vec![Ok(()); count] };
    let ErrorKind::InsertMany(failed) = error.kind.as_ref() else { return vec![Err(error.into()); count] };
    if failed.write_concern_error.is_some() {
        return vec![Err(error.into()); count];
    }
    let mut results = vec![Ok(()); count];
    set_errors(&mut results, failed.write_errors.as_deref().unwrap_or_default());
    results
}

/// The server's reply to an `update` command. It does not say which statements matched.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateReply {
    n: usize,
    #[serde(default)]
    write_errors: Vec<IndexedWriteError>,
    write_concern_error: Option<WriteConcernError>,
}

async fn update_all(collection: Collection<Document>, updates: Vec<Update>) -> Vec<Result<bool, StoreError>> {
    let mut backoff = Backoff::default();
    let reply = loop {
        match send(&collection, &updates).await {
            Ok(reply) => break reply,
            // Each statement is conditional on the version, so a retry changes nothing twice.
            Err(error) if mongo::is_unavailable(&error) && backoff.failures() < RESENDS => {
                tokio::time::sleep(backoff.next_delay()).await;
            }
            Err(error) => return updates.iter().map(|_| Err(error.clone().into())).collect(),
        }
    };
    let mut results = if reply.n + reply.write_errors.len() == updates.len() {
        updates.iter().map(|_| Ok(true)).collect()
    } else {
        match which_matched(&collection, &updates).await {
            Ok(matched) => matched.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); updates.len()],
        }
    };
    set_errors(&mut results, &reply.write_errors);
    // An upsert fails with a duplicate key when its precondition does not hold, and also when another version is
    // inserted at the same moment. Hence one retry, without inserting.
    let retried = updates.iter().zip(results).map(|(update, result)| {
        let is_retried = update.is_upsert() && matches!(result, Err(StoreError::Duplicate(_)));
        let retry = is_retried.then(|| (collection.clone(), update.filter(), update.operators()));
        async move {
            let Some((collection, filter, change)) = retry else { return result };
            Ok(collection.update_one(filter, change).await?.matched_count > 0)
        }
    });
    let retried: Vec<_> = retried.collect();
    stream::iter(retried).buffered(RETRIES).collect().await
}

/// Sends one atomic statement per update, all in one command.
async fn send(collection: &Collection<Document>, updates: &[Update]) -> Result<UpdateReply, Error> {
    let statements: Vec<Document> = updates.iter().map(Update::statement).collect();
    let mut command = doc! { "update": collection.name(), "updates": statements, "ordered": false };
    if let Some(concern) = collection.write_concern() {
        command.insert("writeConcern", bson(concern).map_err(Error::custom)?);
    }
    let database = collection.client().database(&collection.namespace().db);
    let reply: UpdateReply = deserialize_from_document(database.run_command(command).await?)?;
    match reply.write_concern_error {
        Some(WriteConcernError { code, message, .. }) => {
            tracing::warn!(code, reason = message, "writes were applied without the requested write concern");
            Err(Error::custom(WriteConcernFailed))
        }
        None => Ok(reply),
    }
}

/// Finds out which updates of a batch were applied, since the server's reply only counts them. An update was applied if
/// its event is in the outbox of the document; an update without an event, if the document has the version and the
/// state that the update sets.
///
/// An event is removed from the outbox only after it was published, and the relay publishes this one only after the
/// update has returned. There is one exception: if the connection was lost for longer than the sweeper's grace period
/// for new events, the sweeper of another instance may have published and removed the event. The applied update is then
/// reported as a version conflict, and its caller decides again.
async fn which_matched(collection: &Collection<Document>, updates: &[Update]) -> Result<Vec<bool>, StoreError> {
    let ids: Vec<_> = updates.iter().map(|update| update.id.as_str()).collect();
    let projection = doc! { "version": 1, "state": 1, "outbox.id": 1 };
    let found = collection.find(doc! { "_id": { "$in": ids } }).projection(projection).await?;
    let found: Vec<Document> = found.try_collect().await?;
    let found: HashMap<&str, &Document> =
        found.iter().filter_map(|found| Some((found.get_str("_id").ok()?, found))).collect();
    let has_event = |found: &Document, event: &str| {
        let outbox = found.get_array("outbox").map(Vec::as_slice).unwrap_or_default();
        outbox.iter().filter_map(Bson::as_document).any(|entry| entry.get_str("id").is_ok_and(|id| id == event))
    };
    let is_applied = |update: &Update| {
        let Some(found) = found.get(update.id.as_str()) else { return false };
        match &update.precondition {
            Precondition::Previous { event: Some(event), .. } => has_event(found, event),
            Precondition::Previous { event: None, .. } => {
                found.get_i64("version").is_ok_and(|version| version == as_i64(update.version))
                    && found.get("state") == update.state()
            }
            // An upsert without a write error has matched or inserted.
            Precondition::AnyOlder | Precondition::AnyOlderOrDifferent => true,
        }
    };
    Ok(updates.iter().map(is_applied).collect())
}

/// Replaces the results of the statements that failed.
fn set_errors<T>(results: &mut [Result<T, StoreError>], errors: &[IndexedWriteError]) {
    for IndexedWriteError { index, code, message, .. } in errors {
        if let Some(result) = results.get_mut(*index) {
            *result = Err(match mongo::index_in_message(*code, message) {
                Some(index) => StoreError::Duplicate(index),
                None => Error::custom(format!("the write failed with {code}: {message}")).into(),
            });
        }
    }
}
