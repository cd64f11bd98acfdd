//! Reads a stream of change events: first its newest messages, up to a maximum, and then with each further read those
//! that were published since the read before it.
//!
//! # Why
//! Each read has its own ephemeral consumer: it needs no acknowledgements, and NATS deletes it if the audit is killed.
//! The consumer's name is fixed, because NATS permissions can't allow all names with a certain prefix. So two audits
//! with the same NATS user can't read a stream at the same time, and one waits for the other.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::{ConsumerCreateStrictErrorKind, RawMessageErrorKind, State, Stream};
use common::clock::{Clock, SystemClock};
use common::events::ENTITIES;
use common::timestamp::Timestamp;
use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::event::Event;
use crate::audit::entity::EntityKind;
use crate::audit::history::Coverage;
use crate::audit::join::ReadRateLimit;

/// The suffix of the event types of snapshots, which are not changes.
const SNAPSHOT: &str = ".snapshot.v1";
/// Maximum number of messages of a stream that are read: its newest ones, snapshots included. It limits the memory.
const MAX_MESSAGES: u64 = 6_000_000;
/// Number of messages that are requested at once.
const BATCH: usize = 1_000;
/// Maximum time until the next message arrives. It is shorter than the time for which NATS keeps an idle consumer.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long NATS keeps the consumer of an audit that was killed.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(30);
/// How long to wait for another audit with the same NATS user that is reading the stream.
const WAIT_TIMEOUT: Duration = Duration::from_secs(300);
/// How long to wait before the next attempt to create the consumer.
const WAIT_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum difference between the clocks of services and NATS.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The stream of one kind of entity, and which part of it is read.
#[derive(Debug)]
pub(super) struct Log {
    /// The kind of entity whose events the stream contains.
    pub(super) kind: EntityKind,
    stream: Stream,
    /// The NATS subjects of the change events.
    subjects: Vec<String>,
    /// The sequence number of the oldest message that the audit reads and that the stream still has.
    first: u64,
    /// The sequence number where the next read begins.
    pub(super) next: u64,
    /// The sequence number before which the reads end, if they do not go to the end of the stream.
    end: Option<u64>,
    /// Upper bound of the number of change events in the first read: the number of sequence numbers in its range.
    pub(super) messages: usize,
    /// The period whose changes must have an event in the stream.
    pub(super) coverage: Coverage,
    /// Whether the stream has messages that are not read, because it has more than the maximum.
    pub(super) is_truncated: bool,
}

fn timestamp(time: async_nats::datetime::DateTime) -> Result<Timestamp> {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    Ok(Timestamp::from_millis(i64::try_from(millis)?))
}

impl Log {
    /// Opens the stream of an entity, and determines where the first read begins and which period it covers.
    pub(super) async fn open(jetstream: &jetstream::Context, prefix: &str, kind: EntityKind) -> Result<Self> {
        let name = format!("{prefix}-{}", kind.service);
        let stream = jetstream.get_stream(&name).await.with_context(|| format!("the stream {name} can't be read"))?;
        let info = stream.cached_info();
        let state = &info.state;
        let oldest = (state.last_sequence + 1).saturating_sub(MAX_MESSAGES);
        let first = state.first_sequence.max(oldest).max(1);
        let is_truncated = first > state.first_sequence.max(1);
        // A stream that still has its first message covers all changes since it was created.
        let begin = if first == 1 {
            timestamp(info.created)?
        } else if is_truncated {
            let oldest = stream.get_raw_message(first).await.with_context(|| format!("{name} can't be read"))?;
            timestamp(oldest.time)?.plus(MAX_CLOCK_SKEW)
        } else if state.messages == 0 {
            SystemClock.now()
        } else {
            timestamp(state.first_timestamp)?.plus(MAX_CLOCK_SKEW)
        };
        let events = ENTITIES.into_iter().filter(|one| one.name == kind.entity).flat_map(|one| one.events);
        let changes = events.filter(|event| !event.name.ends_with(SNAPSHOT));
        let subjects = changes.map(|event| format!("{prefix}.{}", event.name)).collect();
        let messages = usize::try_from((state.last_sequence + 1).saturating_sub(first))?;
        let coverage = Coverage { begin: begin.to_string(), end: None };
        Ok(Self { kind, stream, subjects, first, next: first, end: None, messages, coverage, is_truncated })
    }

    /// Limits the reads to the messages that were published in this period.
    pub(super) async fn limit_to(&mut self, period: &Range<Timestamp>) -> Result<()> {
        let end = self.stream.cached_info().state.last_sequence + 1;
        self.next = self.find_sequence(period.start, self.first..end).await?;
        self.end = Some(self.find_sequence(period.end, self.next..end).await?);
        Ok(())
    }

    /// The first sequence number in the range whose message was published at this time or later; the end of the range
    /// if there is none.
    async fn find_sequence(&self, time: Timestamp, range: Range<u64>) -> Result<u64> {
        let Range { mut start, mut end } = range;
        while start < end {
            let middle = start.midpoint(end);
            let is_earlier = match self.stream.get_raw_message(middle).await {
                Ok(message) => timestamp(message.time)? < time,
                // The stream removes its oldest messages only.
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => true,
                Err(error) => return Err(error).with_context(|| format!("{} can't be read", self.name())),
            };
            if is_earlier {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(start)
    }

    fn name(&self) -> &str {
        &self.stream.cached_info().config.name
    }

    /// Reads the change events from where the previous read ended to the present end of the stream. Passes each event
    /// with its sequence number to `each`. Skips messages that are not events; the services dead-letter such messages.
    pub(super) async fn read(
        &mut self,
        consumer: &str,
        rate_limit: &mut ReadRateLimit,
        mut each: impl FnMut(u64, Event),
    ) -> Result<()> {
        let name = self.name().to_owned();
        let state = self.stream.get_info().await.with_context(|| format!("{name} can't be read"))?.state;
        let end = self.end.map_or(state.last_sequence, |end| state.last_sequence.min(end.saturating_sub(1)));
        if end < self.next {
            return self.reduce_coverage(&state);
        }
        let created = self.create(consumer).await?;
        if created.cached_info().num_pending > 0 {
            let mut messages = created.stream().max_messages_per_batch(BATCH).messages().await?;
            let mut received = 0;
            loop {
                let Ok(message) = timeout(MESSAGE_TIMEOUT, messages.next()).await else {
                    let info = created.get_info().await.with_context(|| format!("{name} can't be read"))?;
                    let is_over = info.num_pending == 0 && info.delivered.consumer_sequence == received;
                    ensure!(is_over, "{name} does not deliver its messages");
                    // The stream has removed the remaining messages, because it has reached its maximum age or size.
                    break;
                };
                let message = message.with_context(|| format!("{name} ended early"))??;
                let info = message.info().map_err(anyhow::Error::from_boxed)?;
                let (sequence, pending) = (info.stream_sequence, info.pending);
                received = info.consumer_sequence;
                if let Ok(event) = serde_json::from_slice::<Event>(&message.payload) {
                    each(sequence, event);
                }
                rate_limit.count(1).await;
                if pending == 0 || sequence >= end {
                    self.next = self.next.max(sequence + 1);
                    break;
                }
            }
        }
        self.next = self.next.max(end + 1);
        self.stream
            .delete_consumer(consumer)
            .await
            .with_context(|| format!("the consumer {consumer} of {name} can't be deleted"))?;
        let state = self.stream.get_info().await.with_context(|| format!("{name} can't be read"))?.state;
        self.reduce_coverage(&state)
    }

    /// Shortens the covered period if the stream has removed its oldest messages since it was opened, because it has
    /// reached its maximum age or size.
    fn reduce_coverage(&mut self, state: &State) -> Result<()> {
        if state.first_sequence > self.first {
            self.first = state.first_sequence;
            let oldest = if state.messages == 0 { SystemClock.now() } else { timestamp(state.first_timestamp)? };
            self.coverage.begin = oldest.plus(MAX_CLOCK_SKEW).to_string();
        }
        Ok(())
    }

    /// Creates the consumer. Waits while another audit has a consumer with this name.
    async fn create(&self, consumer: &str) -> Result<Consumer<pull::Config>> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let config = pull::Config {
                name: Some(consumer.to_owned()),
                // Differs for each audit: NATS would accept the creation of a consumer that exists with the same
                // configuration, and two audits would share it.
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
                        bail!("another audit is reading {}; try again later", self.name());
                    }
                    sleep(WAIT_INTERVAL).await;
                }
                Err(error) => return Err(error).with_context(|| format!("{} can't be read", self.name())),
            }
        }
    }

    /// Reads the event with this sequence number; `None` if the stream has removed the message, or if it is no event.
    pub(super) async fn get(&self, sequence: u64) -> Result<Option<Event>> {
        match self.stream.get_raw_message(sequence).await {
            Ok(message) => Ok(serde_json::from_slice(&message.payload).ok()),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("message {sequence} of {} can't be read", self.name())),
        }
    }
}
