//! The relay: publishes each event as soon as it is written. The next write of its document removes it from the outbox,
//! or `removal` does after a short delay.

use std::collections::HashSet;
use std::time::Duration;

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event::OutboxEvent;
use super::queue::{BATCH_SIZE, QUEUE_CAPACITY, QueuedEvent};
use super::removal;
use crate::context::Context;
use crate::lifecycle::Backoff;

/// Maximum number of batches that wait for their acks at once.
const MAX_BATCHES: usize = 4;
/// Longest pause after a failure, so that events leave soon after NATS is available again.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Publishes an event to the service's stream, and waits for the ack.
#[expect(clippy::disallowed_methods, reason = "the only place that publishes events")]
async fn publish(context: &Context, event: &OutboxEvent) -> Result<(), PublishError> {
    let mut message = PublishMessage::build()
        .payload(event.payload.clone().into())
        .message_id(&event.id)
        .expected_stream(context.names.stream(context.service));
    if let Some(traceparent) = &event.traceparent {
        message = message.header("traceparent", traceparent.as_str());
    }
    context.jetstream.send_publish(context.names.subject(&event.kind), message).await?.await?;
    Ok(())
}

/// Runs until `stop`, then publishes what is queued, removes what is published from the outboxes, and ends.
pub(crate) async fn run(context: Context, queue: mpsc::Receiver<QueuedEvent>, stop: CancellationToken) {
    let published = CancellationToken::new();
    let publishing = async {
        publish_queued(&context, queue, &stop).await;
        published.cancel();
    };
    tokio::join!(publishing, removal::run(&context, &published));
}

/// Runs until `stop`, then publishes what is queued and ends.
async fn publish_queued(context: &Context, mut queue: mpsc::Receiver<QueuedEvent>, stop: &CancellationToken) {
    let mut in_flight = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH_SIZE);
    // Snapshots that could not be published. They are kept here because no outbox contains them, and that of a final
    // state would not be announced again.
    let mut retries: Vec<QueuedEvent> = Vec::new();
    let mut backoff = Backoff::up_to(MAX_PAUSE);
    // No batch is started before this time. The queue fills meanwhile; events that do not fit stay in their outboxes
    // until the sweeper, the periodic search for such events, finds them.
    let mut paused_until: Option<Instant> = None;
    loop {
        let may_start = in_flight.len() < MAX_BATCHES && paused_until.is_none();
        tokio::select! {
            // Outcomes first, then new events, then retries.
            biased;
            Some(outcome) = in_flight.next(), if !in_flight.is_empty() => {
                let Outcome { has_failures, announcements } = outcome;
                if !has_failures {
                    backoff.reset();
                    paused_until = None;
                } else if paused_until.is_none() && !stop.is_cancelled() {
                    // Batches that fail together are one failure.
                    paused_until = Some(Instant::now() + backoff.next_delay());
                }
                retries.extend(announcements);
                retries.truncate(QUEUE_CAPACITY);
            }
            () = pause(paused_until, stop), if paused_until.is_some() => paused_until = None,
            received = queue.recv_many(&mut batch, BATCH_SIZE), if may_start => {
                if received == 0 {
                    break;
                }
                in_flight.push(relay(std::mem::take(&mut batch), context));
            }
            () = std::future::ready(()),
                if !retries.is_empty() && may_start && !stop.is_cancelled() => {
                let rest = retries.split_off(BATCH_SIZE.min(retries.len()));
                in_flight.push(relay(std::mem::replace(&mut retries, rest), context));
            }
            () = stop.cancelled(), if queue.is_empty() && in_flight.is_empty() => break,
        }
    }
}

/// Waits until this time, or until `stop`.
async fn pause(until: Option<Instant>, stop: &CancellationToken) {
    if let Some(until) = until {
        stop.run_until_cancelled(tokio::time::sleep_until(until)).await;
    }
}

/// The outcome of a batch.
struct Outcome {
    /// Whether an event could not be published.
    has_failures: bool,
    /// The announcements that could not be published.
    announcements: Vec<QueuedEvent>,
}

/// Publishes a batch, and records which events of outboxes are acked.
async fn relay(batch: Vec<QueuedEvent>, context: &Context) -> Outcome {
    let published = futures::future::join_all(batch.iter().map(|queued| publish(context, &queued.event))).await;
    let (mut failure, mut failed) = (None, HashSet::new());
    for (queued, result) in batch.iter().zip(published) {
        match (result, &queued.origin) {
            (Ok(()), Some(origin)) => {
                context.relay.acknowledged().add(origin.collection, &origin.id, &queued.event.id);
            }
            (Ok(()), None) => {}
            (Err(error), _) => {
                failed.insert(queued.event.id.clone());
                failure = Some(error);
            }
        }
    }
    metrics::counter!("events_published_total").increment((batch.len() - failed.len()) as u64);
    if let Some(error) = failure {
        metrics::counter!("event_publish_failures_total").increment(failed.len() as u64);
        // The sweeper requeues these events.
        tracing::warn!(error = %error, "events could not be published; they stay in the outbox");
    }
    let is_retried = |queued: &QueuedEvent| queued.origin.is_none() && failed.contains(&queued.event.id);
    Outcome { has_failures: !failed.is_empty(), announcements: batch.into_iter().filter(is_retried).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pause_ends_at_its_time_or_at_the_stop() {
        let (stop, began) = (CancellationToken::new(), Instant::now());
        pause(Some(began + MAX_PAUSE), &stop).await;
        assert_eq!(began.elapsed(), MAX_PAUSE);
        stop.cancel();
        pause(Some(Instant::now() + MAX_PAUSE), &stop).await;
        assert_eq!(began.elapsed(), MAX_PAUSE);
    }
}
