//! Checks a password for somebody who claims an account.
//!
//! # Why
//! Failures are counted while the slot for hashing is held: a burst of guesses waits for its turn there, and is
//! refused from there as soon as enough of it have failed.

use common::api::users::Password;
use common::error::Error;

use crate::domain::password::PasswordHash;
use crate::hashing::Slot;
use crate::state::State;
use crate::store::throttles::Attempt;

/// Whether the password is that of the account.
pub enum Checked {
    /// It is; the slot can hash another one.
    Right(Slot),
    /// It is not, or there is no such account.
    Wrong,
}

/// Compares the password with the account's hash; for the same work where there is none. 429 after too many failures,
/// for which callers look by [`may_try`] before they do any work.
pub async fn check_password(
    state: &State,
    attempt: &Attempt,
    password: Password,
    known: Option<PasswordHash>,
) -> Result<Checked, Error> {
    let slot = state.hasher.slot().await?;
    may_try(state, attempt).await?;
    let (slot, is_right) = slot.verify(password, known).await?;
    if is_right {
        return Ok(Checked::Right(slot));
    }
    match state.throttles.failed(attempt, state.clock.now()).await? {
        Some(wait) => Err(Error::RateLimited(wait)),
        None => Ok(Checked::Wrong),
    }
}

/// Refuses an attempt after too many failures.
pub async fn may_try(state: &State, attempt: &Attempt) -> Result<(), Error> {
    match state.throttles.wait(attempt, state.clock.now()).await? {
        Some(wait) => Err(Error::RateLimited(wait)),
        None => Ok(()),
    }
}
