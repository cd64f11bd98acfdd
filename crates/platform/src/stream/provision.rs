//! Creates the streams that a service owns.
//!
//! # Why
//! One service owns the stream of all dead letters. If each service configured it, the settings of whichever came last
//! would apply. The owner has to be a service that runs whenever dead letters are possible.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};

use crate::context::Context;
use crate::lifecycle::{self, Backoff};
use crate::stream::names::Names;

/// The service that creates and configures the stream of all dead letters.
pub const DEAD_LETTER_OWNER: &str = "orders";

const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a stream drops repeated messages with the id of one that it has.
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(120);
/// How often the streams are checked: NATS may lose them when it restarts.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// A stream of at most this size, stored by this many servers.
fn stream(name: String, subjects: Vec<String>, max_bytes: i64, replicas: usize) -> Config {
    Config {
        name,
        subjects,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        max_age: MAX_AGE,
        max_bytes,
        deny_delete: true,
        deny_purge: true,
        num_replicas: replicas,
        duplicate_window: DEDUPLICATION_WINDOW,
        ..Config::default()
    }
}

/// The stream of all dead letters, of at most this size in bytes, stored by this many servers.
pub fn dead_letter_stream(names: &Names, max_bytes: i64, replicas: usize) -> Config {
    let subjects = vec![names.subject("dead-letter.>")];
    // Operators remove the letters that they have dealt with.
    Config { deny_delete: false, ..stream(names.dead_letter_stream(), subjects, max_bytes, replicas) }
}

/// The streams that the service owns: its own, if it has entities, and the one of the dead letters, if it is the owner.
fn streams(context: &Context, entities: &[&str]) -> Vec<Config> {
    let (names, config) = (&context.names, &context.config);
    let mut streams = Vec::new();
    if context.service == DEAD_LETTER_OWNER {
        streams.push(dead_letter_stream(names, config.stream_max_bytes, config.nats_replicas));
    }
    if !entities.is_empty() {
        let subjects = entities.iter().map(|entity| names.subject(&format!("{entity}.>"))).collect();
        let name = names.stream(context.service);
        streams.push(stream(name, subjects, config.stream_max_bytes, config.nats_replicas));
    }
    streams
}

/// Creates the streams that the service owns, and recreates missing ones, until shutdown. Waits for NATS as long as it
/// takes. A consuming service also waits for the stream of the dead letters, and logs that it is missing; until it
/// exists, a rejected event is retried.
pub(crate) async fn ensure_streams(context: Context, entities: Vec<&'static str>, is_consumer: bool) {
    let streams = streams(&context, &entities);
    let dead_letters = context.names.dead_letter_stream();
    let mut backoff = Backoff::default();
    loop {
        let mut missing: Option<(&str, async_nats::Error)> = None;
        for stream in &streams {
            if let Err(error) = context.jetstream.create_or_update_stream(stream.clone()).await {
                missing = Some((&stream.name, error.into()));
            }
        }
        if is_consumer && let Err(error) = context.jetstream.get_stream(&dead_letters).await {
            missing = Some((&dead_letters, error.into()));
        }
        let pause = if let Some((stream, error)) = missing {
            let pause = backoff.next_delay();
            tracing::warn!(stream, attempt = backoff.failures(), error = %error, "the stream does not exist yet; will retry");
            pause
        } else {
            backoff.reset();
            lifecycle::jittered(CHECK_INTERVAL)
        };
        if !context.tasks.sleep_unless_stopping(pause).await {
            return;
        }
    }
}
