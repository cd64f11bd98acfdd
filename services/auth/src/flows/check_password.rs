//! Compares a password with an account's hash and counts failures.
//!
//! # Why
//! Failures are counted while the hashing permit is held: the guesses of a burst queue for a permit, and are rejected
//! without hashing as soon as enough earlier ones have failed.

use common::api::users::Password;
use common::error::Error;

use crate::domain::password::PasswordHash;
use crate::hashing::HashPermit;
use crate::state::AppState;
use crate::store::throttles::Attempt;

/// Returns a hashing permit, with which the caller can hash a new password, if the password matches the account's hash.
/// If there is no account, the check takes the same time, so that timing does not reveal whether there is one. Callers
/// check [`throttles`](AppState::throttles) first, which is cheaper than waiting for a permit.
///
/// # Errors
/// 429 after too many failures.
pub(crate) async fn check_password(
    state: &AppState,
    attempt: &Attempt,
    password: Password,
    stored: Option<PasswordHash>,
) -> Result<Option<HashPermit>, Error> {
    let permit = state.hasher.acquire().await?;
    state.throttles.check(attempt, state.clock.now()).await?;
    let (permit, matches) = permit.verify(password, stored).await?;
    if matches {
        return Ok(Some(permit));
    }
    state.throttles.record_failure(attempt, state.clock.now()).await?;
    Ok(None)
}
