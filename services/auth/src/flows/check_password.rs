//! Checks a password for somebody who claims an account.
//!
//! # Why
//! Failures are counted while the slot for hashing is held: a burst of guesses waits for its turn there, and is
//! refused from there as soon as enough of it have failed.

use common::api::users::Password;
use common::error::Error;

use crate::domain::password::PasswordHash;
use crate::hashing::Slot;
use crate::state::AppState;
use crate::store::throttles::Attempt;

/// The result of comparing a password with an account's hash.
pub enum Checked {
    /// They match. The hashing slot is returned, so that the caller can hash a new password in it.
    Right(Slot),
    /// They differ, or there is no account.
    Wrong,
}

/// Compares the password with the account's hash. Without an account it takes as long, so that timing does not tell
/// whether there is one. Callers call [`may_try`] first, which is cheaper than what follows.
///
/// # Errors
/// 429 after too many failures.
pub async fn check_password(
    state: &AppState,
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

/// Returns 429 if there were too many failures for this account and address.
pub async fn may_try(state: &AppState, attempt: &Attempt) -> Result<(), Error> {
    match state.throttles.wait(attempt, state.clock.now()).await? {
        Some(wait) => Err(Error::RateLimited(wait)),
        None => Ok(()),
    }
}
