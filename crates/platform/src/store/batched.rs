//! A collection whose reads and writes are batched; see [`group`](super::group) for why.

use std::collections::HashMap;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::Collection;
use mongodb::bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use mongodb::bson::{Bson, Document, deserialize_from_document, deserialize_from_slice, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{FindOptions, Hint};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::batcher::Batcher;
use super::error::StoreError;
use super::partial::PartialIndex;
use super::{as_i64, bson};
use crate::mongo::{self, WriteConcernFailed};

/// How many groups of reads are under way at once.
const READS: usize = 2;
/// How many groups of writes are: while one waits for the journal, the next gathers.
const WRITES: usize = 1;
/// How many replicas are looked at once more at the same time.
const AGAIN: usize = 16;

/// One collection.
#[derive(Clone)]
pub(crate) struct BatchedCollection {
    pub(crate) collection: Collection<Document>,
    finds: Batcher<FindRequest, Result<Vec<RawDocumentBuf>, StoreError>>,
    inserts: Batcher<Document, Result<(), StoreError>>,
    updates: Batcher<Update, Result<bool, StoreError>>,
}

/// The documents whose `field` is this value and which match `also`.
struct FindRequest {
    field: &'static str,
    value: String,
    also: Document,
    /// The index to use; the planner's choice unless told.
    index: Option<&'static str>,
}

impl FindRequest {
    /// Whether both are answered by one query for several values.
    fn is_like(&self, other: &Self) -> bool {
        self.field == other.field && self.index == other.index && self.also == other.also
    }
}

/// One document's change from one version to the next.
pub(crate) struct Update {
    pub(crate) id: String,
    /// What it becomes.
    pub(crate) version: u64,
    pub(crate) change: Document,
    pub(crate) precondition: Precondition,
}

/// What a document must be for an [`Update`].
pub(crate) enum Precondition {
    /// At the version before; the change pushes the event of this id to the outbox, if any.
    Previous { event: Option<String> },
    /// Absent, or at any version before.
    AnyOlder,
    /// Absent, at any version before, or at this version with a different state.
    AnyOlderOrDifferent,
}

impl BatchedCollection {
    pub(crate) fn new(collection: Collection<Document>) -> Self {
        let (finds, inserts, updates) = (collection.clone(), collection.clone(), collection.clone());
        Self {
            collection,
            finds: Batcher::new(READS, move |wanted| find_all(finds.clone(), wanted)),
            inserts: Batcher::new(WRITES, move |documents| insert_all(inserts.clone(), documents)),
            updates: Batcher::new(WRITES, move |changes| update_all(updates.clone(), changes)),
        }
    }

    /// The documents whose `field` is this value and which match `also`, by id; their `version` and
    /// `state` alone.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        field: &'static str,
        value: String,
        also: Document,
    ) -> Result<Vec<T>, StoreError> {
        self.look_up(FindRequest { field, value, also, index: None }).await
    }

    /// The same for the documents in this index.
    pub(crate) async fn find_in<T: DeserializeOwned, I: AsRef<str>>(
        &self,
        index: &'static PartialIndex<I>,
        value: String,
    ) -> Result<Vec<T>, StoreError> {
        self.look_up(FindRequest { field: index.field, value, also: index.filter(), index: Some(index.name) }).await
    }

    async fn look_up<T: DeserializeOwned>(&self, wanted: FindRequest) -> Result<Vec<T>, StoreError> {
        let found = self.finds.call(wanted).await.unwrap_or_else(|| Err(gone()))?;
        found.iter().map(|found| deserialize_from_slice(found.as_bytes()).map_err(StoreError::encoding)).collect()
    }

    /// Stores a document.
    pub(crate) async fn insert(&self, document: Document) -> Result<(), StoreError> {
        self.inserts.call(document).await.unwrap_or_else(|| Err(gone()))
    }

    /// Changes a document; whether it was what it must be for that.
    pub(crate) async fn update(&self, update: Update) -> Result<bool, StoreError> {
        self.updates.call(update).await.unwrap_or_else(|| Err(gone()))
    }
}

fn gone() -> StoreError {
    Error::custom("the group of this call came to no end".to_owned()).into()
}

async fn find_all(
    collection: Collection<Document>,
    wanted: Vec<FindRequest>,
) -> Vec<Result<Vec<RawDocumentBuf>, StoreError>> {
    let mut kinds: Vec<(&FindRequest, Vec<&str>)> = Vec::new();
    for want in &wanted {
        match kinds.iter_mut().find(|(kind, _)| kind.is_like(want)) {
            Some((_, values)) => values.push(&want.value),
            None => kinds.push((want, vec![&want.value])),
        }
    }
    let found = join_all(kinds.into_iter().map(|(kind, values)| find_kind(&collection, kind, values))).await;
    let found: Result<Vec<_>, StoreError> = found.into_iter().collect();
    let of = |want: &FindRequest| {
        let kinds = found.as_ref().map_err(Clone::clone)?;
        let kind = kinds.iter().find(|(kind, _)| kind.is_like(want));
        Ok(kind.and_then(|(_, by_value)| by_value.get(&want.value).cloned()).unwrap_or_default())
    };
    wanted.iter().map(of).collect()
}

/// By the field's value: the documents that have it.
async fn find_kind<'a>(
    collection: &Collection<Document>,
    kind: &'a FindRequest,
    mut values: Vec<&str>,
) -> Result<(&'a FindRequest, HashMap<String, Vec<RawDocumentBuf>>), StoreError> {
    values.sort_unstable();
    values.dedup();
    let mut filter = kind.also.clone();
    match values.as_slice() {
        // Equality with an id has a fast path of its own.
        [value] => filter.insert(kind.field, *value),
        values => filter.insert(kind.field, doc! { "$in": values }),
    };
    let collection = collection.clone_with_type::<RawDocumentBuf>();
    let options = FindOptions::builder()
        .projection(doc! { "version": 1, "state": 1 })
        .hint(kind.index.map(|name| Hint::Name(name.to_owned())))
        .build();
    let found = collection.find(filter).with_options(options).await?;
    let mut by_value: HashMap<String, Vec<RawDocumentBuf>> = HashMap::new();
    for document in found.try_collect::<Vec<_>>().await? {
        let value = text_at(&document, kind.field).unwrap_or_default().to_owned();
        by_value.entry(value).or_default().push(document);
    }
    for documents in by_value.values_mut() {
        documents.sort_by(|one, other| text_at(one, "_id").cmp(&text_at(other, "_id")));
    }
    Ok((kind, by_value))
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
    let ErrorKind::InsertMany(refused) = error.kind.as_ref() else { return vec![Err(error.into()); count] };
    if refused.write_concern_error.is_some() {
        return vec![Err(error.into()); count];
    }
    let mut results = vec![Ok(()); count];
    for write in refused.write_errors.iter().flatten() {
        if let Some(result) = results.get_mut(write.index) {
            *result = Err(write_error(write.code, &write.message));
        }
    }
    results
}

/// What the server says of an `update` command; it does not tell which statements matched.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    n: usize,
    #[serde(default)]
    write_errors: Vec<WriteError>,
    write_concern_error: Option<WriteError>,
}

#[derive(Deserialize)]
struct WriteError {
    #[serde(default)]
    index: usize,
    code: i32,
    #[serde(default)]
    errmsg: String,
}

async fn update_all(collection: Collection<Document>, updates: Vec<Update>) -> Vec<Result<bool, StoreError>> {
    let answer = match send(&collection, &updates).await {
        // Each statement names the version that it starts from, so a second time changes nothing.
        Err(error) if mongo::is_unavailable(&error) => send(&collection, &updates).await,
        answer => answer,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return updates.iter().map(|_| Err(error.clone().into())).collect(),
    };
    let matched = answer.n + answer.write_errors.len() == updates.len();
    let mut results = if matched {
        updates.iter().map(|_| Ok(true)).collect()
    } else {
        match which_matched(&collection, &updates).await {
            Ok(matched) => matched.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); updates.len()],
        }
    };
    for WriteError { index, code, errmsg } in answer.write_errors {
        if let Some(result) = results.get_mut(index) {
            *result = Err(write_error(code, &errmsg));
        }
    }
    // A replica that is known at this version or a newer one; or another version was inserted at this
    // very moment, which is why these are tried once more.
    let again = |(update, result): (&Update, _)| {
        let again = matches!(
            (&update.precondition, &result),
            (Precondition::AnyOlder | Precondition::AnyOlderOrDifferent, Err(StoreError::Duplicate(_)))
        )
        .then(|| (collection.clone(), update.filter(), update.change.clone()));
        async move {
            match again {
                Some((collection, filter, change)) => {
                    Ok(collection.update_one(filter, change).await?.matched_count > 0)
                }
                None => result,
            }
        }
    };
    let again: Vec<_> = updates.iter().zip(results).map(again).collect();
    stream::iter(again).buffered(AGAIN).collect().await
}

/// One atomic write for each, all in one request.
async fn send(collection: &Collection<Document>, updates: &[Update]) -> Result<Answer, Error> {
    let statements: Vec<Bson> = updates
        .iter()
        .map(|update| {
            let upsert = matches!(update.precondition, Precondition::AnyOlder | Precondition::AnyOlderOrDifferent);
            Bson::Document(doc! { "q": update.filter(), "u": update.change.clone(), "upsert": upsert })
        })
        .collect();
    let mut command = doc! { "update": collection.name(), "updates": statements, "ordered": false };
    if let Some(concern) = collection.write_concern() {
        command.insert("writeConcern", bson(concern).map_err(Error::custom)?);
    }
    let database = collection.client().database(&collection.namespace().db);
    let answer: Answer = deserialize_from_document(database.run_command(command).await?)?;
    match answer.write_concern_error {
        Some(WriteError { code, errmsg, .. }) => {
            tracing::warn!(code, reason = errmsg, "writes were made that are not confirmed");
            Err(Error::custom(WriteConcernFailed { code }))
        }
        None => Ok(answer),
    }
}

/// Which of these changes have been made, when some have not: those whose event is in the outbox. One
/// without an event is as good as made when the document is what it was to become.
///
/// Nobody has told the relay yet. Should the sweeper have been faster (it leaves events alone for a
/// while, which a lost connection may outlast), and somebody else have changed the document again, a
/// change that was made counts as one that came too late, whose maker then decides anew.
async fn which_matched(collection: &Collection<Document>, updates: &[Update]) -> Result<Vec<bool>, StoreError> {
    let ids: Vec<_> = updates.iter().map(|update| update.id.as_str()).collect();
    let projection = doc! { "version": 1, "state": 1, "outbox.id": 1 };
    let found = collection.find(doc! { "_id": { "$in": ids } }).projection(projection).await?;
    let found: Vec<Document> = found.try_collect().await?;
    let found: HashMap<&str, &Document> =
        found.iter().filter_map(|found| Some((found.get_str("_id").ok()?, found))).collect();
    let has = |found: &Document, event: &str| {
        let outbox = found.get_array("outbox").map(Vec::as_slice).unwrap_or_default();
        outbox.iter().filter_map(Bson::as_document).any(|entry| entry.get_str("id").is_ok_and(|id| id == event))
    };
    let is_made = |update: &Update| {
        let Some(found) = found.get(update.id.as_str()) else { return false };
        match &update.precondition {
            Precondition::Previous { event: Some(event) } => has(found, event),
            Precondition::Previous { event: None } => {
                found.get_i64("version").is_ok_and(|version| version == as_i64(update.version))
                    && found.get("state") == update.payload()
            }
            // An upsert that is not refused has matched or inserted.
            Precondition::AnyOlder | Precondition::AnyOlderOrDifferent => true,
        }
    };
    Ok(updates.iter().map(is_made).collect())
}

impl Update {
    /// What the document's state becomes.
    fn payload(&self) -> Option<&Bson> {
        self.change.get_document("$set").ok().and_then(|set| set.get("state"))
    }

    fn filter(&self) -> Document {
        let version = as_i64(self.version);
        match self.precondition {
            Precondition::Previous { .. } => doc! { "_id": &self.id, "version": version - 1 },
            Precondition::AnyOlder => doc! { "_id": &self.id, "version": { "$lt": version } },
            Precondition::AnyOlderOrDifferent => doc! {
                "_id": &self.id,
                "$or": [
                    { "version": { "$lt": version } },
                    { "version": version, "state": { "$ne": self.payload().cloned().unwrap_or(Bson::Null) } },
                ],
            },
        }
    }
}

fn write_error(code: i32, message: &str) -> StoreError {
    match mongo::violated_index(code, message) {
        Some(index) => StoreError::Duplicate(index),
        None => Error::custom(format!("the write failed with {code}: {message}")).into(),
    }
}
