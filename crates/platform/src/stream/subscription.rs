//! One line of a service's subscription table: whose events it takes, and the handler of them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use common::error::Error;
use common::events::envelope::Envelope;
use common::events::{Change, Payload};
use futures::future::BoxFuture;

use crate::store::error::StoreError;
pub use crate::store::replica::Applied;

/// What a handler failed with.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may succeed later: after this long, or with the usual backoff.
    #[error("try again later: {cause}")]
    Retry {
        /// How long to wait; the usual backoff when unset.
        after: Option<Duration>,
        /// For the log.
        #[source]
        cause: Error,
    },
    /// It never will: the message is a dead letter.
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
#[derive(Clone)]
pub struct Subscription {
    /// The publishing service.
    pub source: &'static str,
    /// The entity.
    pub entity: &'static str,
    handler: Handler,
}

impl Subscription {
    /// Takes every event of an entity, with its state typed.
    pub fn to<S, F, R>(handler: F) -> Self
    where
        S: Payload,
        F: Fn(Envelope<S>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Applied, Failure>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self {
            source: S::Change::SOURCE,
            entity: S::Change::ENTITY,
            handler: Arc::new(move |payload| {
                let handler = Arc::clone(&handler);
                Box::pin(async move {
                    let event = serde_json::from_slice(&payload)
                        .map_err(|error| Failure::Reject(format!("not a known event: {error}")))?;
                    handler(event).await
                })
            }),
        }
    }

    /// Handles one message: what the consumer does, and what a test may do by hand.
    pub async fn handle(&self, payload: &[u8]) -> Result<Applied, Failure> {
        (self.handler)(payload.to_vec()).await
    }
}
