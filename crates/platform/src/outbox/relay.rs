//! The relay: publishes each event as soon as it is written, then removes it from its document's outbox.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::event::OutboxEvent;
use crate::context::Context;
use crate::telemetry;

/// Capacity of the queue. The sweeper publishes the events that do not fit.
const QUEUE_CAPACITY: usize = 8192;
/// Maximum number of events that are published, or removed from outboxes, at once.
const BATCH_SIZE: usize = 128;
/// Maximum number of batches that wait for their acks at once.
const MAX_BATCHES: usize = 4;

/// Maximum number of queued events of bulk saves. Far below the queue's capacity, so that no other event is left to
/// the sweeper; and few enough to be published before the sweeper would find them.
const MAX_BULK_EVENTS: usize = 512;

/// An event and the document whose outbox holds it. Announcements are in no outbox.
pub(crate) struct QueuedEvent {
    origin: Option<Origin>,
    event: OutboxEvent,
    /// Released once the event is published, or left to the sweeper.
    _permit: Option<OwnedSemaphorePermit>,
}

struct Origin {
    collection: &'static str,
    id: String,
}

/// The sending side of the relay's queue.
#[derive(Clone)]
pub struct Relay {
    queue: mpsc::Sender<QueuedEvent>,
    bulk: Arc<Semaphore>,
}

/// Permits for the events of one bulk save.
pub(crate) struct BulkPermits(Option<OwnedSemaphorePermit>);

impl BulkPermits {
    pub(crate) fn take_one(&mut self) -> Option<OwnedSemaphorePermit> {
        self.0.as_mut().and_then(|permits| permits.split(1))
    }
}

impl Relay {
    pub(crate) fn new() -> (Self, mpsc::Receiver<QueuedEvent>) {
        let (queue, receiver) = mpsc::channel(QUEUE_CAPACITY);
        (Self { queue, bulk: Arc::new(Semaphore::new(MAX_BULK_EVENTS)) }, receiver)
    }

    /// Enqueues a stored event. If the queue is full, the sweeper publishes the event later.
    pub(crate) fn enqueue(
        &self,
        collection: &'static str,
        id: String,
        event: OutboxEvent,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        self.queue.try_send(QueuedEvent { origin: Some(Origin { collection, id }), event, _permit: permit }).ok();
    }

    /// Waits for permits for the events of a bulk save: bulk saves must not be faster than the stream.
    pub(crate) async fn bulk_permits(&self, events: usize) -> BulkPermits {
        let events = u32::try_from(events.min(MAX_BULK_EVENTS)).unwrap_or(u32::MAX);
        BulkPermits(Arc::clone(&self.bulk).acquire_many_owned(events).await.ok())
    }

    /// Enqueues a snapshot. If the queue is full, the snapshot is dropped: the state will be announced again.
    pub(crate) fn announce(&self, event: OutboxEvent) {
        self.queue.try_send(QueuedEvent { origin: None, event, _permit: None }).ok();
    }

    /// Like [`Relay::announce`], but waits while the queue is full.
    pub(crate) async fn announce_when_free(&self, event: OutboxEvent) {
        self.queue.send(QueuedEvent { origin: None, event, _permit: None }).await.ok();
    }

    /// Enqueues events that were read from an outbox. Waits while the queue is full.
    pub(crate) async fn requeue(&self, collection: &'static str, id: &str, events: Vec<OutboxEvent>) {
        for event in events {
            let origin = Some(Origin { collection, id: id.to_owned() });
            // Fails only when the service ends; the event stays in its outbox.
            self.queue.send(QueuedEvent { origin, event, _permit: None }).await.ok();
        }
    }

    /// Whether the queue has space for another batch.
    pub(crate) fn has_capacity(&self) -> bool {
        self.queue.capacity() > BATCH_SIZE
    }
}

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

/// Runs until `stop`, then publishes what is queued and ends.
pub(crate) async fn run(context: Context, mut queue: mpsc::Receiver<QueuedEvent>, stop: CancellationToken) {
    let mut in_flight = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH_SIZE);
    // Failed announcements. No outbox holds them, and some are the last one of a final state.
    let mut retries: Vec<QueuedEvent> = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(failed) = in_flight.next(), if !in_flight.is_empty() => {
                retries.extend(failed);
                retries.truncate(QUEUE_CAPACITY);
            }
            received = queue.recv_many(&mut batch, BATCH_SIZE), if in_flight.len() < MAX_BATCHES => {
                if received == 0 {
                    break;
                }
                in_flight.push(relay(std::mem::take(&mut batch), &context));
            }
            () = std::future::ready(()),
                if !retries.is_empty() && in_flight.len() < MAX_BATCHES && !stop.is_cancelled() => {
                let rest = retries.split_off(BATCH_SIZE.min(retries.len()));
                in_flight.push(relay(std::mem::replace(&mut retries, rest), &context));
            }
            () = stop.cancelled(), if queue.is_empty() && in_flight.is_empty() => break,
        }
    }
}

/// Publishes a batch, and removes the acked events from their outboxes. Returns the announcements that failed.
async fn relay(batch: Vec<QueuedEvent>, context: &Context) -> Vec<QueuedEvent> {
    let published = futures::future::join_all(batch.iter().map(|queued| publish(context, &queued.event))).await;
    let mut done: HashMap<&'static str, (Vec<&str>, Vec<&str>)> = HashMap::new();
    let (mut failure, mut failed) = (None, HashSet::new());
    for (queued, result) in batch.iter().zip(published) {
        match (result, &queued.origin) {
            (Ok(()), Some(origin)) => {
                let (ids, events) = done.entry(origin.collection).or_default();
                ids.push(&origin.id);
                events.push(&queued.event.id);
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
        tracing::warn!(error = %error, "events could not be published; they stay in the outbox");
        // NATS is unavailable. The sweeper requeues these events, so slow down before the next batch.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // No wait for the journal: a lost removal only means that the event is published twice.
    let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
    for (collection, (ids, events)) in done {
        let update = doc! { "$pull": { "outbox": { "id": { "$in": events } } } };
        let documents = context.database.collection::<Document>(collection);
        let removed = documents.update_many(doc! { "_id": { "$in": ids } }, update).write_concern(concern.clone());
        if let Err(error) = removed.await {
            tracing::warn!(
                error = telemetry::causes(&error),
                collection,
                "published events stay in the outbox and will be published again"
            );
        }
    }
    batch.into_iter().filter(|queued| queued.origin.is_none() && failed.contains(&queued.event.id)).collect()
}

/// Drains the queue, for tests that publish the events themselves. Returns the queued snapshots, and whether there
/// were other events, which are also in their outboxes.
pub(crate) fn drain_queue(queue: &mut mpsc::Receiver<QueuedEvent>) -> (Vec<OutboxEvent>, bool) {
    let queued = std::iter::from_fn(|| queue.try_recv().ok());
    let (stored, announced): (Vec<_>, Vec<_>) = queued.partition(|queued| queued.origin.is_some());
    (announced.into_iter().map(|queued| queued.event).collect(), !stored.is_empty())
}
