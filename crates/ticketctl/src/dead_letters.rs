//! `ticketctl dead-letters`: lists, shows, replays and drops dead-lettered messages.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use async_nats::jetstream;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use clap::Subcommand;
use serde_json::Value;

use crate::confirm::ask;
use crate::fleet::FleetArgs;
use crate::output::{Output, Rejected, text_of};
use crate::reports::dead_letters::{
    DeadLetter, DeadLetterContent, DeadLetterList, DeadLettersDropped, DeadLettersReplayed,
};
use crate::streams;

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
    /// Publish messages again on their original subjects, then drop the dead letters; asks for confirmation first.
    /// Consumers that have already handled a message ignore it.
    Replay {
        /// The numbers in the list.
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
    /// Remove dead letters permanently; asks for confirmation first.
    Drop {
        /// The numbers in the list.
        #[arg(required = true)]
        numbers: Vec<u64>,
    },
}

pub(crate) async fn run(command: DeadLetters, fleet: &FleetArgs, output: Output, yes: bool) -> Result<()> {
    let jetstream = streams::connect(fleet).await?;
    let stream = streams::dead_letters(&jetstream, &fleet.nats_prefix).await?;
    match command {
        DeadLetters::List => output.print(&list(stream).await?),
        DeadLetters::Show { number } => output.print(&content(number, &get(&stream, number).await?)),
        DeadLetters::Replay { numbers } => {
            let numbers = without_duplicates(numbers);
            let letters = get_all(&stream, &numbers).await?;
            ask(&plan("published again on their subjects, and dropped", &letters)?, yes)?;
            for (number, letter) in letters {
                replay(&jetstream, &letter).await?;
                stream.delete_message(number).await?;
                eprintln!("{number} replayed");
            }
            output.print(&DeadLettersReplayed { replayed: numbers })
        }
        DeadLetters::Drop { numbers } => {
            let numbers = without_duplicates(numbers);
            let letters = get_all(&stream, &numbers).await?;
            ask(&plan("dropped permanently", &letters)?, yes)?;
            for (number, _) in letters {
                stream.delete_message(number).await?;
                eprintln!("{number} dropped");
            }
            output.print(&DeadLettersDropped { dropped: numbers })
        }
    }
}

/// Says how many dead letters are concerned, and lists them.
fn plan(action: &str, letters: &[(u64, StreamMessage)]) -> Result<String> {
    let dead_letters = letters.iter().map(|(number, letter)| summary(*number, letter)).collect();
    Ok(format!("to be {action}:\n{}", text_of(&DeadLetterList { dead_letters })?))
}

async fn get(stream: &Stream, number: u64) -> Result<StreamMessage> {
    match get_if_present(stream, number).await? {
        Some(letter) => Ok(letter),
        None => bail!(Rejected(format!("there is no dead letter {number}"))),
    }
}

/// The dead letter with this number; `None` if it does not exist.
async fn get_if_present(stream: &Stream, number: u64) -> Result<Option<StreamMessage>> {
    match stream.get_raw_message(number).await {
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        found => found.map(Some).with_context(|| format!("reading the dead letter {number}")),
    }
}

fn without_duplicates(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// All dead letters with these numbers. Fails if there is no such dead letter.
async fn get_all(stream: &Stream, numbers: &[u64]) -> Result<Vec<(u64, StreamMessage)>> {
    let mut letters = Vec::new();
    for number in numbers {
        letters.push((*number, get(stream, *number).await?));
    }
    Ok(letters)
}

fn header(letter: &StreamMessage, name: &str) -> String {
    letter.headers.get(name).map_or("?", |value| value.as_str()).to_owned()
}

fn summary(number: u64, letter: &StreamMessage) -> DeadLetter {
    DeadLetter {
        number,
        consumer: header(letter, "dead-letter-consumer"),
        attempts: header(letter, "dead-letter-attempts"),
        subject: header(letter, "dead-letter-subject"),
        reason: header(letter, "dead-letter-reason"),
    }
}

/// All dead letters, in the order in which they came.
async fn list(mut stream: Stream) -> Result<DeadLetterList> {
    Ok(DeadLetterList { dead_letters: find(&mut stream, usize::MAX, |_| true).await? })
}

/// The oldest `limit` dead letters, the oldest first, and the number of the others.
pub(crate) async fn oldest(mut stream: Stream, limit: usize) -> Result<(Vec<DeadLetter>, u64)> {
    let found = find(&mut stream, limit, |_| true).await?;
    let others = stream.info().await?.state.messages.saturating_sub(found.len() as u64);
    Ok((found, others))
}

/// The dead letters with these numbers, without those that no longer exist.
pub(crate) async fn remaining(stream: &Stream, numbers: impl IntoIterator<Item = u64>) -> Result<Vec<DeadLetter>> {
    let mut dead_letters = Vec::new();
    for number in numbers {
        dead_letters.extend(get_if_present(stream, number).await?.map(|letter| summary(number, &letter)));
    }
    Ok(dead_letters)
}

/// The oldest `limit` of the dead letters that `is_wanted`, the oldest first.
pub(crate) async fn find(
    stream: &mut Stream,
    limit: usize,
    is_wanted: impl Fn(&StreamMessage) -> bool,
) -> Result<Vec<DeadLetter>> {
    let (first, last) = {
        let state = &stream.info().await?.state;
        (state.first_sequence.max(1), state.last_sequence)
    };
    let mut dead_letters = Vec::new();
    for number in first..=last {
        if dead_letters.len() >= limit {
            break;
        }
        let letter = get_if_present(stream, number).await?.filter(&is_wanted);
        dead_letters.extend(letter.map(|letter| summary(number, &letter)));
    }
    Ok(dead_letters)
}

fn content(number: u64, letter: &StreamMessage) -> DeadLetterContent {
    let mut headers = BTreeMap::new();
    for (name, values) in letter.headers.iter() {
        headers.insert(name.to_string(), values.iter().map(|value| value.as_str().to_owned()).collect());
    }
    let message = serde_json::from_slice::<Value>(&letter.payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&letter.payload).into_owned()));
    DeadLetterContent { number, headers, message }
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
