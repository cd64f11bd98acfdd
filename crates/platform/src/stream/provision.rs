//! The streams that a service creates: its own, and the shared one for dead letters.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};
use async_nats::jetstream::{self};

use super::names::Names;
use crate::config;
use crate::lifecycle::{self, Backoff, Tasks};

const DAYS_30: Duration = Duration::from_secs(30 * 24 * 3600);
const DEDUPLICATION: Duration = Duration::from_secs(120);

/// The stream that this service publishes to.
pub(crate) fn service_stream(names: &Names, service: &str, entities: &[&str], config: &config::Config) -> Config {
    Config {
        name: names.stream(service),
        subjects: entities.iter().map(|entity| names.subject(&format!("{entity}.>"))).collect(),
        ..shared(config)
    }
}

/// The stream of dead letters; every service makes the same one.
pub(crate) fn dead_letter_stream(names: &Names, config: &config::Config) -> Config {
    Config {
        name: names.dead_letter_stream(),
        subjects: vec![names.subject("dead-letter.>")],
        // One that was replayed or explained is removed by whoever looked into it.
        deny_delete: false,
        ..shared(config)
    }
}

fn shared(config: &config::Config) -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        max_age: DAYS_30,
        max_bytes: config.stream_max_bytes,
        deny_delete: true,
        deny_purge: true,
        num_replicas: config.nats_replicas,
        duplicate_window: DEDUPLICATION,
        ..Config::default()
    }
}

/// How often it is checked that the streams are there: NATS may come back without them.
const CHECK: Duration = Duration::from_secs(30);

/// Creates the streams, waiting for NATS as long as it takes, and keeps them there.
pub(crate) async fn ensure_streams(jetstream: jetstream::Context, streams: Vec<Config>, tasks: Tasks) {
    let mut backoff = Backoff::default();
    loop {
        let mut missing = None;
        for stream in &streams {
            if let Err(error) = jetstream.create_or_update_stream(stream.clone()).await {
                missing = Some((stream.name.clone(), error));
            }
        }
        let pause = if let Some((stream, error)) = missing {
            let pause = backoff.next_delay();
            tracing::warn!(stream, attempt = backoff.failures(), error = %error, "the stream can't be created yet");
            pause
        } else {
            backoff.reset();
            lifecycle::jittered(CHECK)
        };
        if !tasks.sleep_unless_stopping(pause).await {
            return;
        }
    }
}
