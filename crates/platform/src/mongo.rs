//! The connection to the service's own database, and what its errors mean.

use std::time::Duration;

use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Database};
use serde::de::DeserializeOwned;

use crate::config::Config;

/// A handle to the database; it connects when it is first used, and again whenever it must.
pub async fn connect(service: &'static str, config: &Config) -> anyhow::Result<Database> {
    let mut options = ClientOptions::parse(&config.mongodb_url)
        .await
        .map_err(|error| anyhow::anyhow!("{service}: MONGODB_URL is wrong: {}", error.kind))?;
    options.app_name.get_or_insert_with(|| service.to_owned());
    // Long enough for a machine that is busy with a crowd, short enough to tell that a server is away.
    options.server_selection_timeout.get_or_insert(Duration::from_secs(5));
    options.connect_timeout.get_or_insert(Duration::from_secs(5));
    // Journaled writes are committed in groups: more of them in flight are more of them a second.
    options.max_pool_size.get_or_insert(64);
    // Whatever the URL says: a local read shows what a dying primary takes back, and a secondary's is old. What was
    // read leaves the database, as events, calls and answers.
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    let client = Client::with_options(options)?;
    Ok(client.database(config.mongodb_database.as_deref().unwrap_or(service)))
}

/// Finds a document by `_id` with a majority read, and again with a linearizable read if that finds none.
///
/// # Why
/// For a moment after an election, a majority read from the new primary may be older than what the last primary
/// acknowledged. A compare-and-swap notices; absence would be believed. A linearizable read waits until a majority
/// has all that the primary had when it was asked, at the cost of a write, so it is for the rare case alone.
pub async fn find_by_id<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    id: &str,
) -> Result<Option<T>, Error> {
    match collection.find_one(doc! { "_id": id }).await? {
        Some(found) => Ok(Some(found)),
        None => linearizable(collection, id).await,
    }
}

/// Finds a document by `_id` with a linearizable read. Fails when no majority answers within 5 s.
pub async fn linearizable<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    id: &str,
) -> Result<Option<T>, Error> {
    let found = collection.find_one(doc! { "_id": id }).read_concern(ReadConcern::linearizable());
    found.max_time(Duration::from_secs(5)).await
}

/// Matches a time that is past for as long as `rest`, as what was left behind is found; or one that is as far
/// in the future. Such a one was written by a clock that is ahead of this one, and must not wait until then:
/// whoever looks for what was left behind does no harm by taking it up too early.
pub fn idle_since(field: &str, now: Timestamp, rest: Duration) -> Document {
    let (older, newer) = (now.minus(rest).to_string(), now.plus(rest).to_string());
    doc! { "$or": [{ field: { "$lte": older } }, { field: { "$gt": newer } }] }
}

/// The name of the unique index that refused a write, if that is what went wrong.
pub fn duplicate(error: &Error) -> Option<String> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => violated_index(write.code, &write.message),
        ErrorKind::Command(command) => violated_index(command.code, &command.message),
        _ => None,
    }
}

/// The name of the unique index that refused a write, by what the server says.
pub(crate) fn violated_index(code: i32, message: &str) -> Option<String> {
    if code != 11000 {
        return None;
    }
    let name = message.split("index: ").nth(1).and_then(|tail| tail.split_whitespace().next());
    Some(name.unwrap_or_default().to_owned())
}

/// Whether the database is away, so that the same call may succeed later.
pub fn is_unavailable(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. } => true,
        // Codes of a primary that steps down, starts up or shuts down.
        ErrorKind::Command(command) => {
            matches!(command.code, 6 | 7 | 89 | 91 | 189 | 262 | 9001 | 10107 | 11600 | 11602 | 13435 | 13436)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => is_unconfirmed(concern.code),
        ErrorKind::InsertMany(failed) => failed.write_concern_error.as_ref().is_some_and(|it| is_unconfirmed(it.code)),
        _ => error.get_custom::<WriteConcernFailed>().is_some_and(|it| is_unconfirmed(it.code)),
    }
}

/// Codes of a primary that ended before enough others, or its journal, had a write.
fn is_unconfirmed(code: i32) -> bool {
    matches!(code, 64 | 91 | 189 | 11600 | 11602)
}

/// A write was made, but not with the write concern that was asked for.
#[derive(Debug)]
pub(crate) struct WriteConcernFailed {
    pub(crate) code: i32,
}
