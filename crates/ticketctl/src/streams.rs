//! The streams at NATS, and their deletion after a restore. They contain events newer than the restored data, whose
//! version numbers the owners will reuse: a consumer that has not processed them yet would apply them and then discard
//! the correct events as stale.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use common::events::ENTITIES;

use crate::fleet::FleetArgs;
use crate::reports::restore::StreamMessages;
use crate::services::CONNECT_RETRY_PERIOD;

/// The stream of the dead letters. Each of the other streams is named after the service that publishes to it.
const DEAD_LETTERS: &str = "dead-letters";

/// The servers if `NATS_URL` is not set.
const DEFAULT_NATS_URL: &str = "nats://127.0.0.1:4222";
/// The NATS user of people. Any other user receives replies below its own inbox prefix.
const OPERATOR: &str = "operator";

fn servers(args: &FleetArgs) -> Result<Vec<ServerAddr>> {
    let urls = args.nats_url.as_deref().unwrap_or(DEFAULT_NATS_URL);
    urls.split(',').map(|url| url.trim().parse()).collect::<Result<_, _>>().context("NATS_URL is wrong")
}

/// The user in the URL, if there is one.
pub(crate) fn user_of(args: &FleetArgs) -> Option<String> {
    servers(args).ok()?.iter().find_map(|server| server.username().map(ToOwned::to_owned))
}

/// Connects as the user in the URL. Servers that can't be reached are tried again for a while, since the first
/// connections of a new pod can be refused until its network policies are in force.
pub(crate) async fn connect(args: &FleetArgs) -> Result<jetstream::Context> {
    let servers = servers(args)?;
    let mut options = ConnectOptions::new().name("ticketctl").connection_timeout(Duration::from_secs(5));
    if let Some(authority) = &args.tls_ca_file {
        options = options.require_tls(true).add_root_certificates(authority.clone());
    }
    // The client ignores credentials in the URL, so they are passed as options.
    if let Some((user, password)) = servers.iter().find_map(|server| server.username().zip(server.password())) {
        options = options.user_and_password(user.to_owned(), password.to_owned());
        if user != OPERATOR {
            options = options.custom_inbox_prefix(format!("_INBOX_{user}"));
        }
    }
    let started = Instant::now();
    loop {
        match options.clone().connect(&servers).await {
            Ok(client) => return Ok(jetstream::new(client)),
            Err(error) if is_unreachable(&error) && started.elapsed() < CONNECT_RETRY_PERIOD => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error).context("NATS is not reachable"),
        }
    }
}

fn is_unreachable(error: &ConnectError) -> bool {
    matches!(error.kind(), ConnectErrorKind::Io | ConnectErrorKind::Dns | ConnectErrorKind::TimedOut)
}

/// The stream of the dead letters.
pub(crate) async fn dead_letters(jetstream: &jetstream::Context, prefix: &str) -> Result<Stream> {
    jetstream.get_stream(format!("{prefix}-{DEAD_LETTERS}")).await.context("there is no stream of dead letters")
}

/// All existing streams with their numbers of messages.
pub(crate) async fn list(jetstream: &jetstream::Context, prefix: &str) -> Result<Vec<StreamMessages>> {
    let mut streams = Vec::new();
    let sources: BTreeSet<_> = ENTITIES.into_iter().map(|entity| entity.source).collect();
    for name in sources.into_iter().chain([DEAD_LETTERS]) {
        let stream = format!("{prefix}-{name}");
        match jetstream.get_stream(&stream).await {
            Ok(found) => streams.push(StreamMessages { messages: found.cached_info().state.messages, stream }),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                _ => return Err(error).with_context(|| format!("reading the stream {stream}")),
            },
        }
    }
    Ok(streams)
}

/// Deletes all streams with their messages. A missing stream is not an error.
pub(crate) async fn delete(jetstream: &jetstream::Context, prefix: &str) -> Result<Vec<StreamMessages>> {
    let streams = list(jetstream, prefix).await?;
    for StreamMessages { stream, messages } in &streams {
        jetstream.delete_stream(stream).await.with_context(|| format!("deleting the stream {stream}"))?;
        eprintln!("deleted the stream {stream} with {messages} messages");
    }
    Ok(streams)
}
