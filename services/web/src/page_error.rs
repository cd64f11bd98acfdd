//! The errors of page handlers.

use common::error::Error;

use crate::service_client::ServiceError;

/// Why a page can't be shown.
#[derive(Debug)]
pub(crate) enum PageError {
    /// A local error; the platform renders it as a page.
    Internal(Error),
    Upstream(Box<ServiceError>),
    /// The viewer must sign in. The form leads to this path afterwards.
    SignInRequired(String),
}

impl<E: Into<Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

impl From<ServiceError> for PageError {
    fn from(error: ServiceError) -> Self {
        Self::Upstream(Box::new(error))
    }
}
