//! How the store fails, and what that means for a request.

use std::sync::Arc;

use common::error::Error;

use crate::mongo;

/// Why a write or read was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Somebody changed the aggregate since it was read.
    #[error("the aggregate has changed since it was read")]
    Stale,
    /// The unique index of this name refused the write.
    #[error("the unique index {0} refused the write")]
    Duplicate(String),
    /// The database failed or is away.
    #[error("the database failed")]
    Database(#[source] mongodb::error::Error),
    /// A stored document does not have the expected shape, or a value cannot be stored.
    #[error("a document could not be encoded or decoded")]
    Encoding(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// The value or the document that the error speaks of can't be encoded or decoded.
    pub fn encoding(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Encoding(Arc::new(error))
    }

    /// Whether this unique index refused the write.
    pub fn is_duplicate_of(&self, index: &str) -> bool {
        matches!(self, Self::Duplicate(name) if name == index)
    }
}

impl From<mongodb::error::Error> for StoreError {
    fn from(error: mongodb::error::Error) -> Self {
        match mongo::duplicate(&error) {
            Some(index) => Self::Duplicate(index),
            None => Self::Database(error),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(cause) if mongo::is_unavailable(&cause) => {
                Self::unavailable(StoreError::Database(cause))
            }
            // A caller that neither repeats nor explains leaves it to the client to look again.
            StoreError::Stale => {
                Self::conflict("changed-meanwhile", "It changed just now. Look at it again, then retry.")
            }
            other => Self::internal(other),
        }
    }
}
