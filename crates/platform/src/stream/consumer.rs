//! The durable consumer: fetches messages, runs the handler once for all messages of one entity (a group), and acks
//! them after the handler's write.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, FromConsumer, PullConsumer, pull};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{AckKind, Message};
use common::error::Error;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tracing::Instrument;

use super::dead_letter;
use super::group::{EntitiesInFlight, Group, Received};
use super::names::Names;
use super::subscription::{Applied, Failure, Subscription};
use crate::context::Context;
use crate::lifecycle::{Backoff, Tasks};
use crate::telemetry;

/// Maximum number of messages of one subscription that an instance has at once.
const CONCURRENCY: usize = 64;
/// Expiry of a pull request. A request can't be cancelled.
const FETCH_EXPIRY: Duration = Duration::from_secs(2);
/// How long to wait, at shutdown, for messages that the last pull request may still deliver.
const DRAIN_WAIT: Duration = Duration::from_millis(100);
/// How soon a message is redelivered when its instance sends neither an ack nor a progress ack.
const ACK_WAIT: Duration = Duration::from_secs(6);
/// Interval of progress acks while a handler runs.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum run time of a handler, so that a hanging one does not block a slot forever.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(25);
/// Maximum pause between attempts to consume.
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// How often the consumer's configuration is compared with the one of this release.
const CONFIGURATION_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// A message whose handler panics is dead-lettered at this delivery.
const MAX_DELIVERIES: u32 = 6;

/// The consumer of one subscription, shared by all instances of the service.
pub(crate) struct Consumer {
    pub(crate) context: Context,
    pub(crate) subscription: Subscription,
}

impl Consumer {
    /// Consumes until shutdown. Waits for NATS and the stream as long as it takes.
    pub(crate) async fn run(self) {
        let tasks = &self.context.tasks;
        let mut backoff = Backoff::up_to(MAX_BACKOFF);
        while !tasks.stop_token().is_cancelled() {
            let consumed = self.consume(tasks, &mut backoff).await;
            let pause = backoff.next_delay();
            if let Err(error) = consumed {
                let attempt = backoff.failures();
                tracing::warn!(entity = self.subscription.entity, attempt, error = %error, "cannot consume events yet; will retry");
            }
            if !tasks.sleep_unless_stopping(pause).await {
                return;
            }
        }
    }

    /// The durable consumer with the configuration of this release. One that exists keeps its position, its pending
    /// messages and the settings that this release does not set.
    async fn configured(&self, stream: &Stream) -> Result<PullConsumer, async_nats::Error> {
        let entity = self.subscription.entity;
        let name = Names::consumer(self.context.service, entity);
        let follow = |config: pull::Config| pull::Config {
            ack_wait: ACK_WAIT,
            max_deliver: -1,
            max_ack_pending: 4096,
            filter_subject: self.context.names.subject(&format!("{entity}.*.v1")),
            ..config
        };
        let new = pull::Config {
            durable_name: Some(name.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.get_or_create_consumer(&name, follow(new)).await?;
        let present = pull::Config::try_from_consumer_config(consumer.cached_info().config.clone())?;
        let desired = follow(present.clone());
        if desired == present {
            return Ok(consumer);
        }
        match stream.update_consumer(desired).await {
            Ok(updated) => {
                tracing::info!(consumer = name, "the consumer now has the configuration of this release");
                Ok(updated)
            }
            Err(error) => {
                tracing::error!(
                    consumer = name,
                    error = %error,
                    "this release's configuration of the consumer was rejected; using the existing one"
                );
                Ok(consumer)
            }
        }
    }

    async fn consume(&self, tasks: &Tasks, backoff: &mut Backoff) -> Result<(), async_nats::Error> {
        let name = self.context.names.stream(self.subscription.source);
        let stream = self.context.jetstream.get_stream(name).await?;
        let (mut consumer, mut configured_at) = (self.configured(&stream).await?, Instant::now());
        backoff.reset();
        let entities = EntitiesInFlight::default();
        let mut in_flight = FuturesUnordered::new();
        let mut fetched = Ok(());
        while fetched.is_ok() && !tasks.stop_token().is_cancelled() {
            if configured_at.elapsed() >= CONFIGURATION_INTERVAL {
                match self.configured(&stream).await {
                    Ok(configured) => (consumer, configured_at) = (configured, Instant::now()),
                    Err(error) => {
                        fetched = Err(error);
                        break;
                    }
                }
            }
            // Other instances can't get a message that waits here.
            let free = CONCURRENCY.saturating_sub(entities.count());
            let mut batch = match consumer.batch().max_messages(free).expires(FETCH_EXPIRY).messages().await {
                // Take all messages that have arrived, so that those of one entity are handled together.
                Ok(batch) => batch.ready_chunks(CONCURRENCY),
                Err(error) => {
                    fetched = Err(error.into());
                    break;
                }
            };
            // After a reconnect the server may have forgotten the request, and never end it.
            let deadline = tokio::time::sleep(FETCH_EXPIRY + Duration::from_secs(1));
            tokio::pin!(deadline);
            // A message that is sent to an abandoned request is redelivered only after the ack wait. So a request is
            // read to its end, also at shutdown while messages still arrive.
            let mut is_stopping = tasks.stop_token().is_cancelled();
            loop {
                tokio::select! {
                    biased;
                    () = tasks.stop_token().cancelled(), if !is_stopping => is_stopping = true,
                    Some(()) = in_flight.next(), if !in_flight.is_empty() => {}
                    chunk = batch.next() => {
                        let Some(chunk) = chunk else { break };
                        let (messages, failure) = self.read_keys(chunk);
                        let groups = entities.begin(messages).into_iter();
                        in_flight.extend(groups.map(|group| self.process(group, &entities)));
                        if let Some(error) = failure {
                            fetched = Err(error);
                            break;
                        }
                    }
                    () = &mut deadline => break,
                    () = tokio::time::sleep(DRAIN_WAIT), if is_stopping => break,
                }
            }
            while entities.count() >= CONCURRENCY && in_flight.next().await.is_some() {}
        }
        while in_flight.next().await.is_some() {}
        fetched
    }

    /// Reads the keys of the messages that have arrived. Also returns the last error among them.
    fn read_keys(&self, chunk: Vec<Result<Message, async_nats::Error>>) -> (Vec<Received>, Option<async_nats::Error>) {
        let (mut messages, mut failure) = (Vec::new(), None);
        for message in chunk {
            match message {
                Ok(message) => messages.push(Received { key: self.subscription.key(&message.payload), message }),
                Err(error) => failure = Some(error),
            }
        }
        (messages, failure)
    }

    /// Handles a group, and then the messages of its entity that have arrived in the meantime.
    async fn process(&self, group: Group, in_flight: &EntitiesInFlight) {
        let mut next = Some(group);
        while let Some(mut group) = next {
            // A rejected message is removed, and the next newest one is handled for the rest.
            while let Some(newest) = group.newest() {
                let (subject, delivered) = (newest.message.subject.clone(), newest.delivered());
                let span = tracing::info_span!("event", subject = %subject, delivered, together = group.len());
                if let Some(parent) = newest.message.headers.as_ref().and_then(|headers| headers.get("traceparent")) {
                    telemetry::continue_trace(&span, parent.as_str());
                }
                let is_acked = self.process_newest(newest, &group, in_flight).instrument(span).await;
                if is_acked {
                    break;
                }
                group.remove_newest();
            }
            next = in_flight.end(group);
        }
    }

    /// Handles the newest message of a group, and acks all messages according to the outcome. Returns false if the
    /// newest one was rejected: it becomes a dead letter, and the other messages are not acked.
    async fn process_newest(&self, newest: &Received, group: &Group, in_flight: &EntitiesInFlight) -> bool {
        let entity = self.subscription.entity;
        let handled = |outcome: &'static str, count: usize| {
            let counter = metrics::counter!("events_handled_total", "entity" => entity, "outcome" => outcome);
            counter.increment(count as u64);
        };
        let acked = match self.handle(newest, group, in_flight).await {
            Ok(applied) => {
                handled(if applied == Applied::Applied { "applied" } else { "stale" }, 1);
                if group.len() > 1 {
                    handled("superseded", group.len() - 1);
                }
                group.ack(|| AckKind::Ack).await
            }
            Err(Failure::Retry { after, cause }) => {
                let pause = after.unwrap_or_else(|| Backoff::default().delay_after(newest.delivered()));
                if after.is_none() {
                    let source = std::error::Error::source(&cause).map(ToString::to_string);
                    tracing::warn!(error = %cause, source, pause.ms = pause.as_millis(), "event will be retried");
                }
                handled("retry", group.len());
                group.ack(|| AckKind::Nak(Some(pause))).await
            }
            Err(Failure::Reject(reason)) => {
                tracing::error!(reason, "event rejected; it becomes a dead letter");
                handled("rejected", 1);
                if let Err(error) = self.dead_letter(&newest.message, &reason).await {
                    // The stream of the dead letters may not exist yet. If this fails too, the ack wait ends.
                    let pause = Backoff::default().delay_after(newest.delivered());
                    newest.message.ack_with(AckKind::Nak(Some(pause))).await.ok();
                    warn_not_acked(&error);
                }
                return false;
            }
        };
        if let Err(error) = acked {
            warn_not_acked(&error);
        }
        true
    }

    /// Runs the handler. Until it ends, the messages of the group, and those that wait for it, are not redelivered.
    async fn handle(&self, newest: &Received, group: &Group, in_flight: &EntitiesInFlight) -> Result<Applied, Failure> {
        let handled = self.subscription.handle_newest(&newest.message.payload, group.summary());
        let handled = tokio::time::timeout(HANDLER_TIMEOUT, AssertUnwindSafe(handled).catch_unwind());
        tokio::pin!(handled);
        let handled = loop {
            tokio::select! {
                handled = &mut handled => break handled,
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                    // If such an ack is lost, the message is redelivered, which is harmless.
                    group.ack(|| AckKind::Progress).await.ok();
                    for waiting in in_flight.waiting_for(group) {
                        waiting.ack_with(AckKind::Progress).await.ok();
                    }
                }
            }
        };
        match handled {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(panicked(newest.delivered())),
            Err(_) => Err(Error::internal_message("the handler took too long").into()),
        }
    }

    async fn dead_letter(&self, message: &Message, reason: &str) -> Result<(), async_nats::Error> {
        let entity = self.subscription.entity;
        dead_letter::publish(&self.context, entity, message, reason).await?;
        metrics::counter!("dead_letters_total", "entity" => entity).increment(1);
        message.ack_with(AckKind::Term).await
    }
}

fn warn_not_acked(error: &async_nats::Error) {
    tracing::warn!(error = %error, "the event could not be acked and will be redelivered");
}

/// A panic may be transient. One that repeats is caused by the message, which would block a slot again and again.
fn panicked(delivered: u32) -> Failure {
    if delivered < MAX_DELIVERIES {
        Error::internal_message("the handler panicked").into()
    } else {
        Failure::Reject("the handler panicked".to_owned())
    }
}
