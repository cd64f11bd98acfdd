//! A stream of change events, read from its beginning to its end and then on from there.
//!
//! # Why
//! The consumer belongs to one read: it needs no acknowledgements, and NATS deletes it if the audit is killed. Its name
//! is fixed, because the permissions of a NATS user can't tell names by their beginning; so two audits of one user take
//! turns.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::{ConsumerCreateStrictErrorKind, RawMessageErrorKind, State, Stream};
use common::clock::{Clock, SystemClock};
use common::events::ENTITIES;
use common::timestamp::Timestamp;
use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::event::Event;
use crate::audit::entity::Owned;
use crate::audit::history::Coverage;
use crate::audit::join::Pace;

/// The end of the types of events that are no changes.
const SNAPSHOT: &str = ".snapshot.v1";
/// Maximum number of the newest messages of a stream that are read, snapshots included. It limits the memory.
const MAX_MESSAGES: u64 = 6_000_000;
/// Number of messages that are requested at once.
const BATCH: usize = 1_000;
/// How long the next message may take.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long NATS keeps the consumer of an audit that was killed.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(30);
/// How long to wait until another audit of the same user has read the stream.
const TURN_TIMEOUT: Duration = Duration::from_secs(300);
/// How often that is tried.
const TURN_INTERVAL: Duration = Duration::from_secs(2);
/// How much the clocks of services and NATS may differ.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The stream of an entity's events.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) owned: Owned,
    stream: Stream,
    /// The subjects of the changes.
    subjects: Vec<String>,
    /// The sequence number of the oldest message that was read, or that the stream still has.
    first: u64,
    /// The sequence number where the next read begins.
    pub(super) next: u64,
    /// Number of messages, snapshots included, that the first read will see at most.
    pub(super) messages: usize,
    pub(super) coverage: Coverage,
    /// Whether the stream has older messages than those that are read.
    pub(super) is_cut: bool,
}

fn timestamp(time: async_nats::datetime::DateTime) -> Result<Timestamp> {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    Ok(Timestamp::from_millis(i64::try_from(millis)?))
}

impl Log {
    /// Finds the stream, and where to begin to read.
    pub(super) async fn open(jetstream: &jetstream::Context, prefix: &str, owned: Owned) -> Result<Self> {
        let (source, _, entity) = owned;
        let name = format!("{prefix}-{source}");
        let stream = jetstream.get_stream(&name).await.with_context(|| format!("the stream {name} can't be read"))?;
        let info = stream.cached_info();
        let state = &info.state;
        let oldest = (state.last_sequence + 1).saturating_sub(MAX_MESSAGES);
        let first = state.first_sequence.max(oldest).max(1);
        let is_cut = first > state.first_sequence.max(1);
        // Nothing older than its first message is missing in a stream that was never cut.
        let begin = if first == 1 {
            timestamp(info.created)?
        } else if is_cut {
            let oldest = stream.get_raw_message(first).await.with_context(|| format!("reading {name}"))?;
            timestamp(oldest.time)?.plus(MAX_CLOCK_SKEW)
        } else if state.messages == 0 {
            SystemClock.now()
        } else {
            timestamp(state.first_timestamp)?.plus(MAX_CLOCK_SKEW)
        };
        let events = ENTITIES.into_iter().filter(|one| one.name == entity).flat_map(|one| one.events);
        let changes = events.filter(|event| !event.name.ends_with(SNAPSHOT));
        let subjects = changes.map(|event| format!("{prefix}.{}", event.name)).collect();
        let messages = usize::try_from((state.last_sequence + 1).saturating_sub(first))?;
        let coverage = Coverage { begin: begin.to_string(), end: None };
        Ok(Self { owned, stream, subjects, first, next: first, messages, coverage, is_cut })
    }

    fn name(&self) -> &str {
        &self.stream.cached_info().config.name
    }

    /// Reads the changes from where the last read ended to the present end of the stream. Messages that are no events
    /// are skipped: their consumers dead-letter them.
    pub(super) async fn read(
        &mut self,
        consumer: &str,
        pace: &mut Pace,
        mut each: impl FnMut(u64, Event),
    ) -> Result<()> {
        let name = self.name().to_owned();
        let state = self.stream.get_info().await.with_context(|| format!("{name} can't be read"))?.state;
        let end = state.last_sequence;
        if end < self.next {
            return self.forget(&state);
        }
        let created = self.create(consumer).await?;
        if created.cached_info().num_pending > 0 {
            let mut messages = created.stream().max_messages_per_batch(BATCH).messages().await?;
            loop {
                let message = timeout(MESSAGE_TIMEOUT, messages.next()).await;
                let message = message.with_context(|| format!("{name} does not deliver its messages"))?;
                let message = message.with_context(|| format!("{name} ended early"))??;
                let info = message.info().map_err(anyhow::Error::from_boxed)?;
                let (sequence, pending) = (info.stream_sequence, info.pending);
                if let Ok(event) = serde_json::from_slice::<Event>(&message.payload) {
                    each(sequence, event);
                }
                pace.count(1).await;
                if pending == 0 || sequence >= end {
                    self.next = self.next.max(sequence + 1);
                    break;
                }
            }
        }
        self.next = self.next.max(end + 1);
        self.stream.delete_consumer(consumer).await.with_context(|| format!("the consumer {consumer} of {name}"))?;
        let state = self.stream.get_info().await.with_context(|| format!("{name} can't be read"))?.state;
        self.forget(&state)
    }

    /// Covers less if the stream has dropped messages since it was opened, because they were too old or too many.
    fn forget(&mut self, state: &State) -> Result<()> {
        if state.first_sequence > self.first {
            self.first = state.first_sequence;
            let oldest = if state.messages == 0 { SystemClock.now() } else { timestamp(state.first_timestamp)? };
            self.coverage.begin = oldest.plus(MAX_CLOCK_SKEW).to_string();
        }
        Ok(())
    }

    /// Creates the consumer, when no other audit has it.
    async fn create(&self, consumer: &str) -> Result<Consumer<pull::Config>> {
        let deadline = Instant::now() + TURN_TIMEOUT;
        loop {
            let config = pull::Config {
                name: Some(consumer.to_owned()),
                // Different for each audit, so that the consumer of another one is not taken for this one.
                description: Some(format!("audit {} {}", std::process::id(), SystemClock.now())),
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next },
                ack_policy: AckPolicy::None,
                filter_subjects: self.subjects.clone(),
                inactive_threshold: INACTIVE_THRESHOLD,
                num_replicas: 1,
                ..pull::Config::default()
            };
            match self.stream.create_consumer_strict(config).await {
                Ok(created) => return Ok(created),
                Err(error) if error.kind() == ConsumerCreateStrictErrorKind::AlreadyExists => {
                    if Instant::now() > deadline {
                        bail!("another audit reads {}; try again later", self.name());
                    }
                    sleep(TURN_INTERVAL).await;
                }
                Err(error) => return Err(error).with_context(|| format!("{} can't be read", self.name())),
            }
        }
    }

    /// The event with this sequence number; none if it is gone, or no event.
    pub(super) async fn get(&self, sequence: u64) -> Result<Option<Event>> {
        match self.stream.get_raw_message(sequence).await {
            Ok(message) => Ok(serde_json::from_slice(&message.payload).ok()),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("message {sequence} of {} can't be read", self.name())),
        }
    }
}
