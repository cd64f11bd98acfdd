//! Creates the streams that a service needs: its own, and the one for all dead letters.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};

use crate::context::Context;
use crate::lifecycle::{self, Backoff};

const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(120);
/// How often the streams are checked: NATS may lose them when it restarts.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The dead-letter stream, defined alike in every service; and the service's own stream, if it has entities.
fn streams(context: &Context, entities: &[&str]) -> Vec<Config> {
    let names = &context.names;
    let common = Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        max_age: MAX_AGE,
        max_bytes: context.config.stream_max_bytes,
        deny_delete: true,
        deny_purge: true,
        num_replicas: context.config.nats_replicas,
        duplicate_window: DEDUPLICATION_WINDOW,
        ..Config::default()
    };
    let mut streams = vec![Config {
        name: names.dead_letter_stream(),
        subjects: vec![names.subject("dead-letter.>")],
        // Operators remove the letters that they have dealt with.
        deny_delete: false,
        ..common.clone()
    }];
    if !entities.is_empty() {
        let subjects = entities.iter().map(|entity| names.subject(&format!("{entity}.>"))).collect();
        streams.push(Config { name: names.stream(context.service), subjects, ..common });
    }
    streams
}

/// Creates the streams, and recreates missing ones, until shutdown. Waits for NATS as long as it takes.
pub(crate) async fn ensure_streams(context: Context, entities: Vec<&'static str>) {
    let streams = streams(&context, &entities);
    let mut backoff = Backoff::default();
    loop {
        let mut missing = None;
        for stream in &streams {
            if let Err(error) = context.jetstream.create_or_update_stream(stream.clone()).await {
                missing = Some((stream.name.clone(), error));
            }
        }
        let pause = if let Some((stream, error)) = missing {
            let pause = backoff.next_delay();
            tracing::warn!(stream, attempt = backoff.failures(), error = %error, "the stream can't be created yet");
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
