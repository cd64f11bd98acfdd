//! The connection to the service's own database, and the meaning of its errors.

use std::time::Duration;

use common::timestamp::Timestamp;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Database};
use serde::de::DeserializeOwned;

use crate::config::Config;
use crate::tls;

/// Returns a handle to the database. It connects on first use, and reconnects automatically.
pub async fn connect(service: &'static str, config: &Config) -> anyhow::Result<Database> {
    let mut options = ClientOptions::parse(&config.mongodb_url).await.map_err(|error| {
        // Parsing a `mongodb+srv` URL looks up its hosts by DNS.
        let is_unresolved = matches!(*error.kind, ErrorKind::DnsResolve { .. });
        let what = if is_unresolved { "can't be resolved" } else { "is wrong" };
        anyhow::anyhow!("{service}: MONGODB_URL {what}: {}", error.kind)
    })?;
    if let Some(authority) = &config.tls_ca_file {
        tls::secure_mongodb(&mut options, authority);
    }
    options.app_name.get_or_insert_with(|| service.to_owned());
    // These timeouts are long enough for a machine under heavy load, and short enough to detect an outage.
    options.server_selection_timeout.get_or_insert(Duration::from_secs(5));
    options.connect_timeout.get_or_insert(Duration::from_secs(5));
    // The server commits journaled writes in groups, so more writes in flight mean more writes per second.
    options.max_pool_size.get_or_insert(64);
    // These override the URL. What is read here leaves the service in events, calls and responses, so it must be
    // current and must never be rolled back. A local read may be rolled back when a primary fails, and secondaries lag
    // behind.
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
/// acknowledged. A compare-and-swap detects an old document, but nothing detects a false absence. A linearizable read
/// waits until a majority has everything that the primary has. It costs a write, so it is only for the rare absence.
pub async fn find_by_id<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    id: &str,
) -> Result<Option<T>, Error> {
    match collection.find_one(doc! { "_id": id }).await? {
        Some(found) => Ok(Some(found)),
        None => linearizable(collection, id).await,
    }
}

/// Finds a document by `_id` with a linearizable read. Fails when no majority responds within 5 s.
pub async fn linearizable<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    id: &str,
) -> Result<Option<T>, Error> {
    let found = collection.find_one(doc! { "_id": id }).read_concern(ReadConcern::linearizable());
    found.max_time(Duration::from_secs(5)).await
}

/// Matches times that are at least `min_age` in the past, or more than `min_age` in the future. A time in the future
/// was written by an instance whose clock is ahead. Its document must not wait until then, and processing it too early
/// is harmless.
pub fn idle_since(field: &str, now: Timestamp, min_age: Duration) -> Document {
    let (older, newer) = (now.minus(min_age).to_string(), now.plus(min_age).to_string());
    doc! { "$or": [{ field: { "$lte": older } }, { field: { "$gt": newer } }] }
}

/// Returns the name of the unique index that the write violated; `None` for any other error.
pub fn violated_index(error: &Error) -> Option<String> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => index_in_message(write.code, &write.message),
        ErrorKind::Command(command) => index_in_message(command.code, &command.message),
        _ => None,
    }
}

/// Reads the violated index from the server's error.
pub(crate) fn index_in_message(code: i32, message: &str) -> Option<String> {
    if code != 11000 {
        return None;
    }
    let name = message.split("index: ").nth(1).and_then(|tail| tail.split_whitespace().next());
    Some(name.unwrap_or_default().to_owned())
}

/// Whether the database is unavailable, so that the same call may succeed later.
pub fn is_unavailable(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        // With any write concern error, the result of the write is unknown: it may be rolled back.
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        // A network error, a time limit, or a primary that steps down, starts up or shuts down.
        ErrorKind::Command(command) => {
            matches!(command.code, 6 | 7 | 50 | 89 | 91 | 189 | 262 | 9001 | 10107 | 11600 | 11602 | 13435 | 13436)
        }
        ErrorKind::InsertMany(failed) => failed.write_concern_error.is_some(),
        _ => error.get_custom::<WriteConcernFailed>().is_some(),
    }
}

/// A write was applied, but without the requested write concern.
#[derive(Debug)]
pub(crate) struct WriteConcernFailed;
