//! Removing the streams: they tell of changes after the moment to which the databases were brought back, at
//! versions that the owners will count again. A consumer that has not read them yet would believe them, and
//! then refuse the truth.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectOptions, ServerAddr};
use common::events::ENTITIES;

use crate::fleet::Fleet;

/// The stream of the dead letters; each other stream is that of a service that publishes.
const DEAD_LETTERS: &str = "dead-letters";

/// Connects as the user that the URL names.
pub(crate) async fn connect(fleet: &Fleet) -> Result<jetstream::Context> {
    let servers: Vec<ServerAddr> = fleet
        .nats_url
        .split(',')
        .map(|url| url.trim().parse())
        .collect::<Result<_, _>>()
        .context("NATS_URL is wrong")?;
    let mut options = ConnectOptions::new().name("ticketctl").connection_timeout(Duration::from_secs(5));
    // The client takes from its options who it is, and nothing of that from the address.
    if let Some((user, password)) = servers.iter().find_map(|server| server.username().zip(server.password())) {
        options = options.user_and_password(user.to_owned(), password.to_owned());
    }
    let connection = options.connect(servers).await.context("NATS does not answer")?;
    Ok(jetstream::new(connection))
}

/// Removes every stream with what it holds; one that is not there is as well.
pub(crate) async fn remove(jetstream: &jetstream::Context, prefix: &str) -> Result<()> {
    for name in ENTITIES.into_iter().map(|entity| entity.source).chain([DEAD_LETTERS]) {
        let stream = format!("{prefix}-{name}");
        let messages = match jetstream.get_stream(&stream).await {
            Ok(found) => found.cached_info().state.messages,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => continue,
                _ => return Err(error).with_context(|| format!("looking at the stream {stream}")),
            },
        };
        jetstream.delete_stream(&stream).await.with_context(|| format!("removing the stream {stream}"))?;
        println!("the stream {stream} was removed with {messages} messages");
    }
    Ok(())
}
