//! `cargo xtask dead-letters`: looks at messages that no handler could take, replays or drops them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use async_nats::jetstream::{self};
use async_nats::{Client, ConnectOptions, ServerAddr};
use clap::Subcommand;
use serde_json::Value;

use crate::running;

/// What to do with them.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// One line for each: number, consumer, attempts, subject, reason.
    List,
    /// A message with its headers.
    Show {
        /// Its number in the list.
        number: u64,
    },
    /// Publish them where they came from, then drop them. Who has handled one already is not bothered.
    Replay {
        /// Their numbers in the list.
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
    /// Remove them for good.
    Drop {
        /// Their numbers in the list.
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
}

/// A connection as the user that the address names: the client takes nothing of that from it by itself.
async fn connect(url: &str) -> Result<Client> {
    let server: ServerAddr = url.parse().context("the address of NATS is wrong")?;
    let mut options = ConnectOptions::new();
    if let Some((user, password)) = server.username().zip(server.password()) {
        options = options.user_and_password(user.to_owned(), password.to_owned());
    }
    options.connect(server).await.context("NATS does not answer")
}

/// Carries it out on the running fleet.
pub(crate) async fn run(what: DeadLetters, file: Option<PathBuf>) -> Result<()> {
    let fleet = running::fleet(file)?;
    let url = fleet.pointer("/servers/nats/url").and_then(Value::as_str).context("the fleet has no NATS")?;
    let jetstream = jetstream::new(connect(url).await?);
    let prefix = std::env::var("NATS_PREFIX").unwrap_or_else(|_| "ticketing".to_owned());
    let stream = jetstream.get_stream(format!("{prefix}-dead-letters")).await.context("no stream of dead letters")?;
    match what {
        DeadLetters::List => list(stream).await,
        DeadLetters::Show { number } => show(&letter(&stream, number).await?),
        DeadLetters::Replay { numbers } => {
            for number in numbers {
                replay(&jetstream, &letter(&stream, number).await?).await?;
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

async fn letter(stream: &Stream, number: u64) -> Result<StreamMessage> {
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

/// The same bytes on the subject that they came from, with the trace that they belong to. The letters
/// of several consumers about one message publish it once: each of them gets it again.
async fn replay(jetstream: &jetstream::Context, letter: &StreamMessage) -> Result<()> {
    let subject = letter.headers.get("dead-letter-subject").context("the letter does not say where it came from")?;
    let id = format!("replay:{}:{}", header(letter, "dead-letter-stream"), header(letter, "dead-letter-sequence"));
    let mut message = PublishMessage::build().payload(letter.payload.clone()).message_id(id);
    if let Some(traceparent) = letter.headers.get("traceparent") {
        message = message.header("traceparent", traceparent.as_str());
    }
    jetstream.send_publish(subject.as_str().to_owned(), message).await?.await?;
    Ok(())
}
