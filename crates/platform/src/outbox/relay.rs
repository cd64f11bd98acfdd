//! The relay: woken by each write, publishes its event, then takes it out of the document's outbox.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mongodb::Database;
use mongodb::bson::doc;
use mongodb::options::{Acknowledgment, WriteConcern};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::event::OutboxEvent;
use crate::stream::names::Names;
use crate::telemetry;

/// How many events wait for the relay at most; more are left to the sweeper.
const QUEUE: usize = 8192;
/// How many events are published, or taken out, at once.
const BATCH: usize = 128;
/// How many batches may wait for their acks at once.
const BATCHES: usize = 4;

/// How many events of writes by the hundred are on their way at most. Far fewer than the queue holds,
/// so that nobody else's event is left to the sweeper; and few enough to be out before it looks.
const IN_BULK: usize = 512;

/// An event with the document whose outbox holds it; announcements have none.
pub(crate) struct QueuedEvent {
    origin: Option<Origin>,
    event: OutboxEvent,
    /// Given back when the event is out, or left to the sweeper.
    _permit: Option<OwnedSemaphorePermit>,
}

struct Origin {
    collection: &'static str,
    id: String,
}

/// Wakes the relay.
#[derive(Clone)]
pub struct Relay {
    queue: mpsc::Sender<QueuedEvent>,
    bulk: Arc<Semaphore>,
}

/// Permits for so many events of one write by the hundred.
pub(crate) struct BulkPermits(Option<OwnedSemaphorePermit>);

impl Relay {
    pub(crate) fn new() -> (Self, mpsc::Receiver<QueuedEvent>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { queue, bulk: Arc::new(Semaphore::new(IN_BULK)) }, receiver)
    }

    /// Tells of an event that was stored. A full queue is no loss: the sweeper finds it.
    pub(crate) fn enqueue(&self, collection: &'static str, id: String, event: OutboxEvent) {
        self.queue.try_send(QueuedEvent { origin: Some(Origin { collection, id }), event, _permit: None }).ok();
    }

    /// Waits until the relay has got so far that this many more events may follow: who writes by the
    /// hundred must not be faster than the stream.
    pub(crate) async fn bulk_permits(&self, events: usize) -> BulkPermits {
        let events = u32::try_from(events.min(IN_BULK)).unwrap_or(u32::MAX);
        BulkPermits(Arc::clone(&self.bulk).acquire_many_owned(events).await.ok())
    }

    /// Like [`Relay::enqueue`], taking one place of the room.
    pub(crate) fn enqueue_with_permit(
        &self,
        room: &mut BulkPermits,
        collection: &'static str,
        id: String,
        event: OutboxEvent,
    ) {
        let place = room.0.as_mut().and_then(|room| room.split(1));
        self.queue.try_send(QueuedEvent { origin: Some(Origin { collection, id }), event, _permit: place }).ok();
    }

    /// Publishes without a change. A full queue is no loss: it will be announced again.
    pub(crate) fn announce(&self, event: OutboxEvent) {
        self.queue.try_send(QueuedEvent { origin: None, event, _permit: None }).ok();
    }

    /// Like [`Relay::announce`], but waits for room in the queue.
    pub(crate) async fn announce_when_free(&self, event: OutboxEvent) {
        self.queue.send(QueuedEvent { origin: None, event, _permit: None }).await.ok();
    }

    /// Whether there is room for another batch.
    pub(crate) fn has_capacity(&self) -> bool {
        self.queue.capacity() > BATCH
    }
}

/// Publishes events to the service's own stream.
#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) jetstream: jetstream::Context,
    pub(crate) names: Names,
    pub(crate) service: &'static str,
}

impl Publisher {
    /// Publishes one event and waits until the stream has it.
    #[expect(clippy::disallowed_methods, reason = "the one way for an event to leave")]
    async fn publish(&self, event: &OutboxEvent) -> Result<(), async_nats::jetstream::context::PublishError> {
        let mut message = PublishMessage::build()
            .payload(event.payload.clone().into())
            .message_id(&event.id)
            .expected_stream(self.names.stream(self.service));
        if let Some(traceparent) = &event.traceparent {
            message = message.header("traceparent", traceparent.as_str());
        }
        self.jetstream.send_publish(self.names.subject(&event.kind), message).await?.await?;
        Ok(())
    }
}

/// Runs until `stop`, then publishes what is queued and ends.
pub(crate) async fn run(
    mut queue: mpsc::Receiver<QueuedEvent>,
    publisher: Publisher,
    database: Database,
    stop: CancellationToken,
) {
    let mut in_flight = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH);
    // Announcements have no outbox to wait in while NATS is away, and some are the last of their state.
    let mut again: Vec<QueuedEvent> = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(failed) = in_flight.next(), if !in_flight.is_empty() => {
                again.extend(failed);
                again.truncate(QUEUE);
            }
            received = queue.recv_many(&mut batch, BATCH), if in_flight.len() < BATCHES => {
                if received == 0 {
                    break;
                }
                in_flight.push(relay(std::mem::take(&mut batch), &publisher, &database));
            }
            () = std::future::ready(()), if !again.is_empty() && in_flight.len() < BATCHES && !stop.is_cancelled() => {
                let rest = again.split_off(BATCH.min(again.len()));
                in_flight.push(relay(std::mem::replace(&mut again, rest), &publisher, &database));
            }
            () = stop.cancelled(), if queue.is_empty() && in_flight.is_empty() => break,
        }
    }
}

/// Publishes a batch and takes out of the outboxes what the stream acknowledged; the announcements
/// that could not be published.
async fn relay(batch: Vec<QueuedEvent>, publisher: &Publisher, database: &Database) -> Vec<QueuedEvent> {
    let published = futures::future::join_all(batch.iter().map(|work| publisher.publish(&work.event))).await;
    let mut done: HashMap<&'static str, (Vec<&str>, Vec<&str>)> = HashMap::new();
    let (mut failure, mut failed) = (None, HashSet::new());
    for (work, result) in batch.iter().zip(published) {
        match (result, &work.origin) {
            (Ok(()), Some(origin)) => {
                let (ids, events) = done.entry(origin.collection).or_default();
                ids.push(&origin.id);
                events.push(&work.event.id);
            }
            (Ok(()), None) => {}
            (Err(error), _) => {
                failed.insert(work.event.id.clone());
                failure = Some(error);
            }
        }
    }
    metrics::counter!("events_published_total").increment((batch.len() - failed.len()) as u64);
    if let Some(error) = failure {
        metrics::counter!("event_publish_failures_total").increment(failed.len() as u64);
        tracing::warn!(error = %error, "events could not be published; they wait in the outbox");
        // NATS is away: the sweeper comes back to these, so do not spin on the next ones.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // No journal wait: a take-out that is lost means a repeat, which is harmless.
    let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
    for (collection, (ids, events)) in done {
        let update = doc! { "$pull": { "outbox": { "id": { "$in": events } } } };
        let documents = database.collection::<mongodb::bson::Document>(collection);
        let taken = documents.update_many(doc! { "_id": { "$in": ids } }, update).write_concern(concern.clone());
        if let Err(error) = taken.await {
            tracing::warn!(
                error = telemetry::causes(&error),
                collection,
                "published events stay in the outbox and will be repeated"
            );
        }
    }
    batch.into_iter().filter(|work| work.origin.is_none() && failed.contains(&work.event.id)).collect()
}

/// Events read from outboxes, put in the queue as if their writes had just happened.
pub(crate) async fn requeue(relay: &Relay, collection: &'static str, id: &str, events: Vec<OutboxEvent>) {
    for event in events {
        let work = QueuedEvent { origin: Some(Origin { collection, id: id.to_owned() }), event, _permit: None };
        // Closed only when the service ends; the events stay in the outbox.
        relay.queue.send(work).await.ok();
    }
}

/// What is queued, for who publishes by hand: announcements, and whether there is anything else, which
/// waits in its outbox too.
pub(crate) fn drain_queue(queue: &mut mpsc::Receiver<QueuedEvent>) -> (Vec<OutboxEvent>, bool) {
    let queued = std::iter::from_fn(|| queue.try_recv().ok());
    let (written, announced): (Vec<_>, Vec<_>) = queued.partition(|work| work.origin.is_some());
    (announced.into_iter().map(|work| work.event).collect(), !written.is_empty())
}
