//! `cargo xtask dead-letters`: lists, shows, replays and drops dead-lettered messages.

use std::path::PathBuf;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::{Client, ConnectOptions, ServerAddr};
use clap::Subcommand;
use serde_json::Value;

use crate::fleet;

/// Inspects, replays or drops dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Print one line per dead letter: number, consumer, attempts, subject, reason.
    List,
    /// Print a message with its headers.
    Show {
        /// The number in the list.
        number: u64,
    },
    /// Publish messages again on their original subjects, then drop the dead letters. Consumers that have already
    /// handled a message ignore it.
    Replay {
        /// The numbers in the list.
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
    /// Remove dead letters permanently.
    Drop {
        /// The numbers in the list.
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
}

/// Connects with the credentials in the URL, which async-nats does not use by itself.
async fn connect(url: &str) -> Result<Client> {
    let server: ServerAddr = url.parse().context("the URL of NATS is invalid")?;
    let mut options = ConnectOptions::new();
    if let Some((user, password)) = server.username().zip(server.password()) {
        options = options.user_and_password(user.to_owned(), password.to_owned());
    }
    options.connect(server).await.context("NATS does not respond")
}

pub(crate) async fn run(command: DeadLetters, file: Option<PathBuf>) -> Result<()> {
    let fleet = fleet::read(file)?;
    let url = fleet.pointer("/servers/nats/url").and_then(Value::as_str).context("the fleet has no NATS")?;
    let jetstream = jetstream::new(connect(url).await?);
    let prefix = std::env::var("NATS_PREFIX").unwrap_or_else(|_| "ticketing".to_owned());
    let stream =
        jetstream.get_stream(format!("{prefix}-dead-letters")).await.context("there is no stream of dead letters")?;
    match command {
        DeadLetters::List => list(stream).await,
        DeadLetters::Show { number } => show(&get(&stream, number).await?),
        DeadLetters::Replay { numbers } => {
            for number in numbers {
                replay(&jetstream, &get(&stream, number).await?).await?;
                stream.delete_message(number).await?;
                println!("{number} replayed");
            }
            Ok(())
        }
        DeadLetters::Drop { numbers } => {
            for number in numbers {
                stream.delete_message(number).await.with_context(|| format!("there is no dead letter {number}"))?;
                println!("{number} dropped");
            }
            Ok(())
        }
    }
}

async fn get(stream: &Stream, number: u64) -> Result<StreamMessage> {
    stream.get_raw_message(number).await.with_context(|| format!("there is no dead letter {number}"))
}

fn header<'a>(letter: &'a StreamMessage, name: &str) -> &'a str {
    letter.headers.get(name).map_or("?", |value| value.as_str())
}

async fn list(mut stream: Stream) -> Result<()> {
    let state = stream.info().await?.state.clone();
    for number in state.first_sequence.max(1)..=state.last_sequence {
        match stream.get_raw_message(number).await {
            Ok(letter) => println!(
                "{number}  {}  {} attempts  {}  {}",
                header(&letter, "dead-letter-consumer"),
                header(&letter, "dead-letter-attempts"),
                header(&letter, "dead-letter-subject"),
                header(&letter, "dead-letter-reason"),
            ),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    println!("{} dead letters", state.messages);
    Ok(())
}

fn show(letter: &StreamMessage) -> Result<()> {
    for (name, values) in letter.headers.iter() {
        for value in values {
            println!("{name}: {}", value.as_str());
        }
    }
    match serde_json::from_slice::<Value>(&letter.payload) {
        Ok(event) => println!("\n{}", serde_json::to_string_pretty(&event)?),
        Err(_) => println!("\n{}", String::from_utf8_lossy(&letter.payload)),
    }
    Ok(())
}

/// Publishes the same bytes on their original subject, in the same trace. Dead letters of several consumers for one
/// message share a message id, so JetStream publishes the message only once, and each consumer receives it.
async fn replay(jetstream: &jetstream::Context, letter: &StreamMessage) -> Result<()> {
    let subject = letter.headers.get("dead-letter-subject").context("the dead letter has no original subject")?;
    let id = format!("replay:{}:{}", header(letter, "dead-letter-stream"), header(letter, "dead-letter-sequence"));
    let mut message = PublishMessage::build().payload(letter.payload.clone()).message_id(id);
    if let Some(traceparent) = letter.headers.get("traceparent") {
        message = message.header("traceparent", traceparent.as_str());
    }
    jetstream.send_publish(subject.as_str().to_owned(), message).await?.await?;
    Ok(())
}
