//! Store errors, and their mapping to HTTP errors.

use std::sync::Arc;

use common::error::Error;

use crate::mongo;

/// Why a read or write failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The aggregate was changed after it was read.
    #[error("the aggregate has changed since it was read")]
    VersionConflict,
    /// The write violates the unique index of this name.
    #[error("the write violates the unique index {0}")]
    Duplicate(String),
    /// The database failed or is unavailable.
    #[error("the database failed")]
    Database(#[source] mongodb::error::Error),
    /// A stored document does not have the expected shape, or a value can't be stored.
    #[error("a document could not be encoded or decoded")]
    Encoding(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Wraps the error of an encoder or decoder.
    pub fn encoding(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Encoding(Arc::new(error))
    }

    /// Whether the write violates this unique index.
    pub fn is_duplicate_of(&self, index: &str) -> bool {
        matches!(self, Self::Duplicate(name) if name == index)
    }
}

impl From<mongodb::error::Error> for StoreError {
    fn from(error: mongodb::error::Error) -> Self {
        match mongo::violated_index(&error) {
            Some(index) => Self::Duplicate(index),
            None => Self::Database(error),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(ref cause) if mongo::is_unavailable(cause) => Self::unavailable(error),
            // Callers that don't retry pass the conflict on to the client.
            StoreError::VersionConflict => {
                Self::conflict("changed-meanwhile", "It was changed at the same time. Reload it and try again.")
            }
            other => Self::internal(other),
        }
    }
}
