//! A subscription: a service's handler for the events of one entity.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use common::error::Error;
use common::events::envelope::Envelope;
use common::events::{Change, Payload};
use futures::future::BoxFuture;
use serde::Deserialize;

use crate::store::error::StoreError;
pub use crate::store::replica::Applied;
use crate::store::replica::Stored;

/// Why a handler failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A retry may succeed.
    #[error("try again later: {cause}")]
    Retry {
        /// When to redeliver the message; the default backoff if unset.
        after: Option<Duration>,
        /// For the log.
        #[source]
        cause: Error,
    },
    /// No retry can succeed: the message becomes a dead letter.
    #[error("rejected: {0}")]
    Reject(String),
}

impl From<Error> for Failure {
    fn from(cause: Error) -> Self {
        Self::Retry { after: None, cause }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

/// The argument of a handler: the newest of the events of one entity that are handled together.
#[derive(Debug, Clone)]
pub struct Delivery<S> {
    /// The newest of the events. It carries the entity's whole state, so the older events add nothing.
    pub event: Envelope<S>,
    group: GroupSummary,
}

/// The properties of the events that are handled together.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroupSummary {
    /// Whether one of the events is a snapshot.
    pub has_snapshot: bool,
    /// Whether one of the events is the change of [`Subscription::noting`].
    pub has_noted: bool,
    /// Whether one of the events has been delivered before.
    pub is_redelivered: bool,
}

impl<S: Payload> Delivery<S> {
    /// The first delivery of a single event.
    pub fn of(event: Envelope<S>) -> Self {
        Self { event, group: GroupSummary::default() }
    }

    /// Whether a snapshot is among the events. The owner may have published it because it waits for a decision of this
    /// service. If the newest state still waits, the service publishes its own state again.
    pub fn has_snapshot(&self) -> bool {
        self.group.has_snapshot || self.event.is_snapshot()
    }

    /// Whether the change of [`Subscription::noting`] is among the events.
    pub fn has_noted(&self) -> bool {
        self.group.has_noted
    }

    /// Whether this is the first delivery of a change. Then a change that can't cause a step of the service's aggregate
    /// leaves nothing to do. The handler of a stale or redelivered event may have been interrupted between two steps,
    /// and the owner may have published a snapshot because it waits for this service, which then announces its own
    /// state.
    pub fn is_first(&self, stored: &Stored<S>) -> bool {
        stored.applied == Applied::Applied && !self.group.is_redelivered && !self.has_snapshot()
    }
}

/// The key that orders the events of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventKey {
    /// The entity's id.
    pub(super) subject: String,
    /// The entity's version.
    pub(super) version: u64,
    pub(super) is_snapshot: bool,
    /// Whether it is the change of [`Subscription::noting`].
    pub(super) is_noted: bool,
}

type Handler = Arc<dyn Fn(Vec<u8>, GroupSummary) -> BoxFuture<'static, Result<Applied, Failure>> + Send + Sync>;

/// A subscription to all events of one entity. When a consumer has several events of the same entity at once, only the
/// newest is handled, for all of them.
///
/// # Examples
///
/// ```
/// use common::events::ticket::TicketState;
/// use platform::store::replica::Replica;
/// use platform::stream::subscription::{Applied, Delivery, Failure, Subscription};
///
/// async fn on_ticket(tickets: Replica<TicketState>, delivery: Delivery<TicketState>) -> Result<Applied, Failure> {
///     Ok(tickets.put_if_newer(&delivery.event).await?)
/// }
///
/// fn subscriptions(tickets: &Replica<TicketState>) -> Vec<Subscription> {
///     vec![Subscription::with(tickets.clone(), on_ticket)]
/// }
/// ```
#[derive(Clone)]
pub struct Subscription {
    /// The publishing service.
    pub source: &'static str,
    /// The entity.
    pub entity: &'static str,
    /// The type of the entity's snapshots.
    snapshot: &'static str,
    /// The event type of the change that the handler must not miss.
    noted: Option<&'static str>,
    handler: Handler,
}

impl Subscription {
    /// Calls `handler` with a clone of `state` and the events of the entity whose payload is `S`.
    pub fn with<T, S, F, R>(state: T, handler: F) -> Self
    where
        T: Clone + Send + Sync + 'static,
        S: Payload,
        F: Fn(T, Delivery<S>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Applied, Failure>> + Send + 'static,
    {
        Self {
            source: S::Change::SOURCE,
            entity: S::Change::ENTITY,
            snapshot: S::Change::SNAPSHOT.event_type(),
            noted: None,
            handler: Arc::new(move |message, group| {
                let (state, handler) = (state.clone(), handler.clone());
                Box::pin(async move {
                    let event = serde_json::from_slice(&message)
                        .map_err(|error| Failure::Reject(format!("not a known event: {error}")))?;
                    handler(state, Delivery { event, group }).await
                })
            }),
        }
    }

    /// Has [`Delivery::has_noted`] tell whether a change of this kind is among the events that are handled together:
    /// for a handler that needs to know of the change itself, which the newest state does not show.
    #[must_use]
    pub fn noting<C: Change>(self, change: C) -> Self {
        Self { noted: Some(change.event_type()), ..self }
    }

    /// Handles one message, as on its first delivery.
    pub async fn handle(&self, message: &[u8]) -> Result<Applied, Failure> {
        let has_noted = self.key(message).is_some_and(|key| key.is_noted);
        self.handle_newest(message, GroupSummary { has_noted, ..GroupSummary::default() }).await
    }

    /// Handles the newest of the messages that are handled together.
    pub async fn handle_newest(&self, message: &[u8], group: GroupSummary) -> Result<Applied, Failure> {
        (self.handler)(message.to_vec(), group).await
    }

    /// The key of this message among those of its entity; `None` if it is not a known event.
    pub(super) fn key(&self, message: &[u8]) -> Option<EventKey> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "type")]
            kind: String,
            subject: String,
            entityversion: u64,
        }
        let Head { kind, subject, entityversion } = serde_json::from_slice(message).ok()?;
        let (is_snapshot, is_noted) = (kind == self.snapshot, self.noted == Some(&*kind));
        Some(EventKey { subject, version: entityversion, is_snapshot, is_noted })
    }
}

#[cfg(test)]
mod tests {
    use common::aggregate::Versioned;
    use common::events::expiration::{ExpirationChange, ExpirationState};
    use common::id::OrderId;
    use common::timestamp::Timestamp;

    use super::*;

    fn event(change: ExpirationChange) -> Envelope<ExpirationState> {
        let (order_id, now) = (OrderId::new(), Timestamp::from_millis(0));
        Envelope::new(change, order_id.to_string(), 3, now, ExpirationState { order_id, expires_at: now })
    }

    #[test]
    fn change_is_first_if_it_was_stored_and_nothing_with_it_needs_more() {
        let group =
            |has_snapshot, is_redelivered| GroupSummary { has_snapshot, is_redelivered, ..GroupSummary::default() };
        for (change, applied, group, is_first) in [
            (ExpirationChange::Completed, Applied::Applied, group(false, false), true),
            (ExpirationChange::Completed, Applied::Stale, group(false, false), false),
            (ExpirationChange::Completed, Applied::Applied, group(true, false), false),
            (ExpirationChange::Completed, Applied::Applied, group(false, true), false),
            (ExpirationChange::Snapshot, Applied::Applied, group(false, false), false),
        ] {
            let delivery = Delivery { event: event(change), group };
            let stored = Stored { applied, entity: Versioned { version: 3, state: delivery.event.data.clone() } };
            assert_eq!(delivery.is_first(&stored), is_first, "{change:?} {applied:?} {group:?}");
        }
    }

    #[tokio::test]
    async fn noted_change_is_told_to_the_handler() {
        async fn handle((): (), delivery: Delivery<ExpirationState>) -> Result<Applied, Failure> {
            Ok(if delivery.has_noted() { Applied::Applied } else { Applied::Stale })
        }
        let plain = Subscription::with((), handle);
        let noting = plain.clone().noting(ExpirationChange::Completed);
        for (subscription, change, expected) in [
            (&noting, ExpirationChange::Completed, Applied::Applied),
            (&noting, ExpirationChange::Snapshot, Applied::Stale),
            (&plain, ExpirationChange::Completed, Applied::Stale),
        ] {
            let message = serde_json::to_vec(&event(change)).unwrap();
            assert_eq!(subscription.handle(&message).await.unwrap(), expected, "{change:?}");
        }
        // The newest event is another one.
        let newest = serde_json::to_vec(&event(ExpirationChange::Snapshot)).unwrap();
        let group = GroupSummary { has_noted: true, ..GroupSummary::default() };
        assert_eq!(noting.handle_newest(&newest, group).await.unwrap(), Applied::Applied);
    }

    #[tokio::test]
    async fn key_is_read_without_the_payload() {
        async fn handle((): (), delivery: Delivery<ExpirationState>) -> Result<Applied, Failure> {
            assert!(delivery.has_snapshot());
            Ok(Applied::Applied)
        }
        let subscription = Subscription::with((), handle);
        let snapshot = event(ExpirationChange::Snapshot);
        let key = EventKey { subject: snapshot.subject.clone(), version: 3, is_snapshot: true, is_noted: false };
        let mut message = serde_json::to_value(&snapshot).unwrap();
        assert_eq!(subscription.handle(message.to_string().as_bytes()).await.unwrap(), Applied::Applied);
        message["data"] = "of another release".into();
        assert_eq!(subscription.key(message.to_string().as_bytes()), Some(key));
        assert_eq!(subscription.key(b"poison"), None);
    }
}
