//! The durable consumer: fetches, hands to the handler, acknowledges after the write.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind, Message};
use common::error::Error;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tracing::Instrument;

use super::dead_letter;
use super::names::Names;
use super::subscription::{Applied, Failure, Subscription};
use crate::lifecycle::{Backoff, Tasks};
use crate::telemetry;

/// How many messages of one subscription are handled at once.
const CONCURRENCY: usize = 64;
/// How long one request for messages stands. It can't be taken back.
const STANDS: Duration = Duration::from_secs(2);
/// For how long a service that is to end listens for what may be on its way to its last request.
const LISTENS: Duration = Duration::from_millis(100);
/// How soon a message comes again when nothing is heard of the instance that has it.
const ACK_WAIT: Duration = Duration::from_secs(6);
/// How often an instance says that it is still at it.
const AT_IT: Duration = Duration::from_secs(2);
/// How long a handler may take; one that hangs must not keep its place from the messages behind it.
const HANDLING: Duration = Duration::from_secs(25);
/// The longest pause between attempts to consume.
const LONGEST: Duration = Duration::from_secs(3);
/// How often a message is delivered to a handler that panics.
const PANICS: u32 = 6;

/// One subscription's consumer, shared by all instances of the service.
pub(crate) struct Consumer {
    pub(crate) jetstream: jetstream::Context,
    pub(crate) names: Names,
    pub(crate) service: &'static str,
    pub(crate) subscription: Subscription,
}

impl Consumer {
    /// Consumes until the service ends, waiting for the stream and for NATS as long as it takes.
    pub(crate) async fn run(self, tasks: Tasks) {
        let mut backoff = Backoff::up_to(LONGEST);
        while !tasks.stop().is_cancelled() {
            let consumed = self.consume(&tasks, &mut backoff).await;
            let pause = backoff.next_delay();
            if let Err(error) = consumed {
                let attempt = backoff.failures();
                tracing::warn!(entity = self.subscription.entity, attempt, error = %error, "can't consume yet");
            }
            if !tasks.sleep_unless_stopping(pause).await {
                return;
            }
        }
    }

    async fn consume(&self, tasks: &Tasks, backoff: &mut Backoff) -> Result<(), async_nats::Error> {
        let entity = self.subscription.entity;
        let stream = self.jetstream.get_stream(self.names.stream(self.subscription.source)).await?;
        let name = format!("{}-{entity}", self.service);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver: -1,
            max_ack_pending: 4096,
            filter_subject: self.names.subject(&format!("{entity}.*.v1")),
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.get_or_create_consumer(&name, config).await?;
        backoff.reset();
        let mut in_hand = FuturesUnordered::new();
        let mut fetched = Ok(());
        while fetched.is_ok() && !tasks.stop().is_cancelled() {
            let free = CONCURRENCY.saturating_sub(in_hand.len());
            // Never more than can be begun: what is fetched and waits would be kept from the other instances.
            let mut batch = match consumer.batch().max_messages(free).expires(STANDS).messages().await {
                Ok(batch) => batch,
                Err(error) => {
                    fetched = Err(error.into());
                    break;
                }
            };
            // After a reconnect the server may know nothing of the request any more.
            let forgotten = tokio::time::sleep(STANDS + Duration::from_secs(1));
            tokio::pin!(forgotten);
            // A message on its way to a request that nobody listens for any more comes to nobody else before
            // the ack wait is over. So while messages come, a request is heard to its end.
            let mut ending = tasks.stop().is_cancelled();
            loop {
                tokio::select! {
                    biased;
                    () = tasks.stop().cancelled(), if !ending => ending = true,
                    Some(()) = in_hand.next(), if !in_hand.is_empty() => {}
                    message = batch.next() => match message {
                        Some(Ok(message)) => in_hand.push(self.take(message)),
                        Some(Err(error)) => {
                            fetched = Err(error);
                            break;
                        }
                        None => break,
                    },
                    () = &mut forgotten => break,
                    () = tokio::time::sleep(LISTENS), if ending => break,
                }
            }
            while in_hand.len() >= CONCURRENCY && in_hand.next().await.is_some() {}
        }
        while in_hand.next().await.is_some() {}
        fetched
    }

    /// Handles one message and answers the server.
    async fn take(&self, message: Message) {
        let (entity, subject) = (self.subscription.entity, message.subject.clone());
        let delivered = message.info().map_or(1, |info| u32::try_from(info.delivered).unwrap_or(1));
        let span = tracing::info_span!("event", subject = %subject, delivered);
        if let Some(parent) = message.headers.as_ref().and_then(|headers| headers.get("traceparent")) {
            telemetry::continue_trace(&span, parent.as_str());
        }
        async {
            let handled = AssertUnwindSafe(self.subscription.handle(&message.payload)).catch_unwind();
            let handled = tokio::time::timeout(HANDLING, handled);
            tokio::pin!(handled);
            let handled = loop {
                tokio::select! {
                    handled = &mut handled => break handled,
                    () = tokio::time::sleep(AT_IT) => {
                        // One that is lost means a repeat, which is harmless.
                        message.ack_with(AckKind::Progress).await.ok();
                    }
                }
            };
            let outcome = match handled {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(panicked(delivered)),
                Err(_) => Err(Error::internal_message("the handler took too long").into()),
            };
            let (name, answered) = match outcome {
                Ok(applied) => {
                    let name = if applied == Applied::Applied { "applied" } else { "stale" };
                    // Not waited for: one that is lost means a repeat, which is harmless.
                    (name, message.ack().await)
                }
                Err(Failure::Retry { after, cause }) => {
                    let pause = after.unwrap_or_else(|| Backoff::default().after(delivered));
                    if after.is_none() {
                        let source = std::error::Error::source(&cause).map(ToString::to_string);
                        tracing::warn!(error = %cause, source, pause.ms = pause.as_millis(), "event put off");
                    }
                    ("retry", message.ack_with(AckKind::Nak(Some(pause))).await)
                }
                Err(Failure::Reject(reason)) => {
                    tracing::error!(reason, "event rejected; it is kept as a dead letter");
                    ("rejected", self.bury(&message, &reason).await)
                }
            };
            metrics::counter!("events_handled_total", "entity" => entity, "outcome" => name).increment(1);
            if let Err(error) = answered {
                tracing::warn!(error = %error, "the event could not be acknowledged and will come again");
            }
        }
        .instrument(span)
        .await;
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<(), async_nats::Error> {
        let entity = self.subscription.entity;
        dead_letter::keep(&self.jetstream, &self.names, self.service, entity, message, reason).await?;
        metrics::counter!("dead_letters_total", "entity" => entity).increment(1);
        message.ack_with(AckKind::Term).await
    }
}

/// A panic may have to do with the moment; one that comes again and again has to do with the message,
/// which then takes up a place that others wait for. The log tells where it panicked.
fn panicked(delivered: u32) -> Failure {
    if delivered < PANICS {
        Error::internal_message("the handler panicked").into()
    } else {
        Failure::Reject("the handler panicked".to_owned())
    }
}
