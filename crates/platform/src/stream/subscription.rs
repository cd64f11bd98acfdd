//! A subscription: a service's handler for the events of one entity.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use common::error::Error;
use common::events::envelope::Envelope;
use common::events::{Change, Payload};
use futures::future::BoxFuture;

use crate::store::error::StoreError;
pub use crate::store::replica::Applied;

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

type Handler = Arc<dyn Fn(Vec<u8>) -> BoxFuture<'static, Result<Applied, Failure>> + Send + Sync>;

/// A subscription to all events of one entity.
///
/// # Examples
///
/// ```
/// use common::events::envelope::Envelope;
/// use common::events::ticket::TicketState;
/// use platform::store::replica::Replica;
/// use platform::stream::subscription::{Applied, Failure, Subscription};
///
/// async fn on_ticket(tickets: Replica<TicketState>, event: Envelope<TicketState>) -> Result<Applied, Failure> {
///     Ok(tickets.put_if_newer(&event).await?)
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
    handler: Handler,
}

impl Subscription {
    /// Calls `handler` with a clone of `state` and each event of the entity whose payload is `S`.
    pub fn with<T, S, F, R>(state: T, handler: F) -> Self
    where
        T: Clone + Send + Sync + 'static,
        S: Payload,
        F: Fn(T, Envelope<S>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Applied, Failure>> + Send + 'static,
    {
        Self {
            source: S::Change::SOURCE,
            entity: S::Change::ENTITY,
            handler: Arc::new(move |message| {
                let (state, handler) = (state.clone(), handler.clone());
                Box::pin(async move {
                    let event = serde_json::from_slice(&message)
                        .map_err(|error| Failure::Reject(format!("not a known event: {error}")))?;
                    handler(state, event).await
                })
            }),
        }
    }

    /// Handles one message. The consumer calls this, and so do tests.
    pub async fn handle(&self, message: &[u8]) -> Result<Applied, Failure> {
        (self.handler)(message.to_vec()).await
    }
}
