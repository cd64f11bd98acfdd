//! Checks of the NATS streams: the change events of each entity, consumers that do not progress, and dead letters.
//!
//! In reading order: `event`, `marks` (digests of all events of a stream), `log` (reads a stream), `period` (reads the
//! events of a period).
//!
//! # Why
//! A stream is read once, into [`marks::Marks`]. Only the events of suspect entities are kept in full. A recheck of
//! these entities reads only the events published since the last read. The audit acknowledges no messages, and deletes
//! its consumer after each read.

mod event;
mod log;
mod marks;
pub(crate) mod period;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::Range;

use anyhow::{Context, Result};
use async_nats::jetstream;
use common::clock::{Clock, SystemClock};
use common::events::ENTITIES;
use futures::TryStreamExt;

use self::event::Event;
use self::log::Log;
use self::marks::Marks;
use super::entity::{Entity, EntityKind, REPLICATED_ENTITIES, text};
use super::finding::Finding;
use super::history::{self, Coverage};
use super::join::{Join, ReadRateLimit};
use super::names::{NO_BACKLOG, TERMS};
use crate::dead_letters;
use crate::fleet::FleetArgs;
use crate::streams::{connect, dead_letters as dead_letter_stream, user_of};

/// The name of the consumers if the connection to NATS has no user.
const DEFAULT_USER: &str = "audit";
/// How many events may be read in the time that the rate limit allots to one document. An event is cheaper to read,
/// because a stream is read in sequence.
const EVENTS_PER_DOCUMENT: u32 = 2;

/// Findings, each with the key for its recheck.
pub(super) type Found = Vec<(String, Finding)>;

/// The event that confirmed an order. There must be a reservation with the same digest.
#[derive(Debug, Clone, Copy)]
struct Confirmation {
    /// The digest of order, ticket, seats and price.
    digest: u64,
    /// The sequence number of the event in the stream of `orders`.
    sequence: u64,
}

/// The streams of a fleet.
#[derive(Debug)]
pub(super) struct Streams {
    jetstream: jetstream::Context,
    prefix: String,
    /// The name of the consumers that the audit creates.
    consumer: String,
    /// Limits the events that are read in a second, and counts them.
    pub(super) rate_limit: ReadRateLimit,
    /// The stream of each entity, by the entity's name.
    logs: BTreeMap<&'static str, Log>,
    /// The marks of the stream that was read last, and the time at which that read began: later changes may be missing.
    marks: Option<(Marks, String)>,
    /// All events of the suspect entities, by the entity's name and id.
    suspects: BTreeMap<(&'static str, String), Vec<Event>>,
    /// The confirmations that were read; empty after [`Self::find_unreserved`].
    confirmed: Vec<Confirmation>,
    /// The digests of the reservations that were read; empty after [`Self::find_unreserved`].
    reserved: Vec<u64>,
    /// The findings about confirmations without a reservation, by order.
    unreserved: BTreeMap<String, Finding>,
    /// The names of the entities whose oldest events are not read, because there are too many.
    pub(super) truncated: Vec<&'static str>,
}

impl Streams {
    /// Connects to NATS and finds the streams. At most `2 * rate` events are read in a second.
    pub(super) async fn open(fleet: &FleetArgs, rate: NonZeroU32) -> Result<Self> {
        let jetstream = connect(fleet).await?;
        let prefix = fleet.nats_prefix.clone();
        let mut logs = BTreeMap::new();
        for kind in REPLICATED_ENTITIES {
            logs.insert(kind.entity, Log::open(&jetstream, &prefix, kind).await?);
        }
        let truncated = logs.iter().filter(|(_, log)| log.is_truncated).map(|(entity, _)| *entity).collect();
        let events = NonZeroU32::new(rate.get().saturating_mul(EVENTS_PER_DOCUMENT)).unwrap_or(rate);
        Ok(Self {
            jetstream,
            prefix,
            consumer: user_of(fleet).unwrap_or_else(|| DEFAULT_USER.to_owned()),
            rate_limit: ReadRateLimit::new(events),
            logs,
            marks: None,
            suspects: BTreeMap::new(),
            confirmed: Vec::new(),
            reserved: Vec::new(),
            unreserved: BTreeMap::new(),
            truncated,
        })
    }

    fn log(&mut self, entity: &str) -> Result<&mut Log> {
        self.logs.get_mut(entity).with_context(|| format!("there is no stream of {entity}"))
    }

    /// Reads all change events of an entity's stream, for [`Self::suspicious`].
    pub(super) async fn read(&mut self, kind: EntityKind) -> Result<()> {
        let entity = kind.entity;
        let end = SystemClock.now().to_string();
        // Confirmations from before the period that the stream of tickets covers are left out, because the stream may
        // have removed their reservations.
        let reservations = self.log("ticket")?.coverage.begin.clone();
        let Self { logs, rate_limit, consumer, marks: kept, confirmed, reserved, .. } = self;
        let log = logs.get_mut(entity).with_context(|| format!("there is no stream of {entity}"))?;
        let mut marks = Marks::new(entity, log.next, log.messages);
        let read = log.read(consumer, rate_limit, |sequence, event| {
            marks.add(sequence, &event);
            if let Some(digest) = event::confirmation(entity, &event).filter(|_| event.time >= reservations) {
                confirmed.push(Confirmation { digest, sequence });
            }
            reserved.extend(event::reservations(entity, &event));
        });
        read.await?;
        marks.sort();
        *kept = Some((marks, end));
        Ok(())
    }

    /// Compares the marks of the stream that was read last with all `aggregates` of its owner, which must be read after
    /// the stream. Returns the ids of at most `max` suspect entities, and the number of further ones.
    pub(super) async fn suspicious(
        &mut self,
        kind: EntityKind,
        max: usize,
        mut aggregates: Join,
        rate_limit: &mut ReadRateLimit,
    ) -> Result<(Vec<String>, u64)> {
        let entity = kind.entity;
        let (mut marks, end) = self.marks.take().context("no stream was read")?;
        let coverage = Coverage { end: Some(end), ..self.log(entity)?.coverage.clone() };
        let (mut ids, mut unlisted): (BTreeMap<String, Range<usize>>, u64) = (BTreeMap::new(), 0);
        let mut found = Vec::new();
        while let Some(joined) = aggregates.next(rate_limit).await? {
            let range = marks.of_owned(&joined.key);
            history::check(kind, &joined.key, joined.one(0), &marks.steps(range.clone()), &coverage, &mut found);
            if found.is_empty() {
                continue;
            }
            found.clear();
            if ids.len() < max {
                ids.insert(joined.key, range);
            } else {
                unlisted += 1;
            }
        }
        for range in marks.unowned() {
            let first = marks.sequences(range.clone()).first().copied().unwrap_or_default();
            if ids.len() >= max {
                unlisted += 1;
            } else if let Some(event) = self.log(entity)?.get(first).await? {
                ids.insert(event.subject, range);
            }
        }
        for (id, range) in &ids {
            let mut events = Vec::new();
            for sequence in marks.sequences(range.clone()) {
                events.extend(self.log(entity)?.get(sequence).await?);
            }
            self.suspects.insert((entity, id.clone()), events);
        }
        Ok((ids.into_keys().collect(), unlisted))
    }

    /// Rechecks the suspect entities: reads the events that were published since the last read, and compares all their
    /// events with their `aggregates`, by id. These must be read before the call.
    pub(super) async fn check(
        &mut self,
        kind: EntityKind,
        ids: &[String],
        aggregates: &BTreeMap<String, Entity>,
    ) -> Result<Found> {
        let entity = kind.entity;
        let Self { logs, rate_limit, consumer, suspects, .. } = self;
        let log = logs.get_mut(entity).with_context(|| format!("there is no stream of {entity}"))?;
        let read = log.read(consumer, rate_limit, |_, event| {
            if let Some(events) = suspects.get_mut(&(entity, event.subject.clone())) {
                events.push(event);
            }
        });
        read.await?;
        let (mut all, mut found) = (Vec::new(), Vec::new());
        for id in ids {
            let events = suspects.get(&(entity, id.clone())).map(Vec::as_slice).unwrap_or_default();
            event::check(log.kind, id, aggregates.get(id), events, &log.coverage, &mut found);
            all.extend(found.drain(..).map(|finding| (id.clone(), finding)));
        }
        Ok(all)
    }

    /// Compares the confirmations of orders with the reservations of tickets, after both streams were read. Keeps the
    /// findings about at most `max` orders without a reservation, and returns the number of further ones.
    ///
    /// Seats are reserved before their order is confirmed, and the stream of orders is read before that of tickets. So
    /// a reservation that is missing now will not appear later.
    pub(super) async fn find_unreserved(&mut self, max: usize) -> Result<u64> {
        self.reserved.sort_unstable();
        let Self { confirmed, reserved, .. } = self;
        confirmed.retain(|confirmation| reserved.binary_search(&confirmation.digest).is_err());
        let missing = std::mem::take(confirmed);
        self.reserved = Vec::new();
        let reservations = self.log("ticket")?.coverage.begin.clone();
        for confirmation in missing.iter().take(max) {
            let Some(event) = self.log("order")?.get(confirmation.sequence).await? else { continue };
            if event.time < reservations {
                continue;
            }
            let (order, ticket) = (event.subject, text(&event.data["ticket"]["id"]));
            let text =
                format!("order {order} was confirmed, but its seats of ticket {ticket} were not reserved at its price");
            let finding = Finding::new(TERMS, "orders", [order.as_str(), ticket], text);
            self.unreserved.insert(order, finding);
        }
        Ok(missing.len().saturating_sub(max) as u64)
    }

    /// The findings of [`Self::find_unreserved`]: all, or those about the orders in `only`.
    pub(super) fn unreserved(&self, only: Option<&[String]>) -> Found {
        let is_selected = |order: &String| only.is_none_or(|only| only.contains(order));
        let selected = self.unreserved.iter().filter(|(order, _)| is_selected(order));
        selected.map(|(order, finding)| (order.clone(), finding.clone())).collect()
    }

    /// Reports consumers with unhandled messages, and the oldest dead letters, at most `max`. Returns the findings and the
    /// number of the other dead letters. With `only`, reports the consumers and dead letters with these keys.
    ///
    /// The text of a consumer's finding contains its ack floor. If the consumer progresses, a recheck yields another
    /// text, and the audit drops the finding.
    pub(super) async fn backlogs(&self, only: Option<&[String]>, max: usize) -> Result<(Found, u64)> {
        let mut all = Vec::new();
        let sources: BTreeSet<_> = ENTITIES.into_iter().map(|entity| entity.source).collect();
        for source in sources {
            let name = format!("{}-{source}", self.prefix);
            let stream = self.jetstream.get_stream(&name).await.with_context(|| format!("{name} can't be read"))?;
            let mut consumers = stream.consumers();
            let unreadable = || format!("the consumers of {name} can't be read");
            while let Some(consumer) = consumers.try_next().await.with_context(unreadable)? {
                // A consumer that is not durable belongs to a program such as this one, not to a service.
                let is_idle = consumer.num_pending == 0 && consumer.num_ack_pending == 0;
                if consumer.config.durable_name.is_none() || is_idle {
                    continue;
                }
                let (of, handled) = (&consumer.name, consumer.ack_floor.stream_sequence);
                let text = format!("consumer {of} has not handled the messages of {name} after {handled}");
                all.push((format!("{name}/{of}"), Finding::new(NO_BACKLOG, service(of), [of.as_str()], text)));
            }
        }
        all.retain(|(key, _)| only.is_none_or(|only| only.contains(key)));
        let stream = dead_letter_stream(&self.jetstream, &self.prefix).await?;
        let (letters, others) = match only {
            None => dead_letters::oldest(stream, max).await?,
            Some(keys) => {
                let numbers = keys.iter().filter_map(|key| key.parse().ok());
                (dead_letters::remaining(&stream, numbers).await?, 0)
            }
        };
        for letter in letters {
            let number = letter.number.to_string();
            let text = format!("dead letter {number} of consumer {}: {}", letter.consumer, letter.reason);
            all.push((number.clone(), Finding::new(NO_BACKLOG, service(&letter.consumer), [number], text)));
        }
        Ok((all, others))
    }
}

/// The service that a consumer belongs to: the consumer `tickets-order` belongs to `tickets`.
fn service(consumer: &str) -> &str {
    consumer.split('-').next().unwrap_or(consumer)
}
