//! The relay's queue: what stores send, and the relay receives.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::acknowledged::Acknowledged;
use super::event::OutboxEvent;

/// Capacity of the queue. Events that do not fit stay in their outboxes, where the sweeper finds them.
pub(super) const QUEUE_CAPACITY: usize = 8192;
/// Maximum number of events that are published at once.
pub(super) const BATCH_SIZE: usize = 128;

/// Maximum number of queued events of bulk saves. Far below the queue's capacity, so that no other event is left to
/// the sweeper; and few enough to be published before the sweeper would find them.
const MAX_BULK_EVENTS: usize = 512;

/// An event and the document whose outbox contains it. The snapshots of announced entities are in no outbox.
pub(crate) struct QueuedEvent {
    pub(super) origin: Option<Origin>,
    pub(super) event: OutboxEvent,
    /// Released once the event is published, or left to the sweeper.
    _permit: Option<OwnedSemaphorePermit>,
}

pub(super) struct Origin {
    pub(super) collection: &'static str,
    pub(super) id: String,
}

/// The sending side of the relay's queue, and what the relay has published.
#[derive(Clone)]
pub struct Relay {
    queue: mpsc::Sender<QueuedEvent>,
    bulk: Arc<Semaphore>,
    acknowledged: Acknowledged,
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
        let bulk = Arc::new(Semaphore::new(MAX_BULK_EVENTS));
        (Self { queue, bulk, acknowledged: Acknowledged::default() }, receiver)
    }

    /// The published events that are still in their outboxes.
    pub(crate) fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
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

/// Drains the queue, for tests that publish the events themselves. Returns the queued snapshots, and whether there
/// were other events, which are also in their outboxes.
pub(crate) fn drain_queue(queue: &mut mpsc::Receiver<QueuedEvent>) -> (Vec<OutboxEvent>, bool) {
    let queued = std::iter::from_fn(|| queue.try_recv().ok());
    let (stored, announced): (Vec<_>, Vec<_>) = queued.partition(|queued| queued.origin.is_some());
    (announced.into_iter().map(|queued| queued.event).collect(), !stored.is_empty())
}
