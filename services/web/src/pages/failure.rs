//! Why a page can't be shown.

use common::error::Error;
use platform::store::error::StoreError;

use crate::calls::Refused;

/// Why a page can't be shown.
#[derive(Debug)]
pub enum Failure {
    /// Something here; the shell makes a page of it.
    Ours(Error),
    /// A service refused the command.
    Theirs(Box<Refused>),
    /// It is for those who are signed in: they are asked to, and led back to this path.
    SignIn(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Ours(error.into())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Theirs(Box::new(refused))
    }
}
