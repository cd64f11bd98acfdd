//! PUT /api/users/password: a user chooses another password, and is signed out everywhere else.
//!
//! # Why
//! Whoever holds a session without knowing the password (a laptop left open) must not be able to guess it here, so
//! a wrong one counts as a failed sign-in.

use axum::extract::State;
use common::api::users::NewPassword;
use common::error::Error;
use common::identity::CurrentUser;
use http::StatusCode;
use platform::http::address::ClientAddress;
use platform::http::extract::Body;
use platform::lifecycle::Backoff;

use crate::flows::check_password::{Checked, check_password, may_try};
use crate::state::AppState;
use crate::store::throttles::Attempt;

/// How many times ending the other sessions is attempted.
const ATTEMPTS: u32 = 5;

/// Choose another password.
#[utoipa::path(put, path = "/api/users/password", tag = "users", request_body = NewPassword,
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 204, description = "All other sessions of the user have ended; their access tokens run out within minutes.")))]
pub(super) async fn change_password(
    State(state): State<AppState>,
    user: CurrentUser,
    ClientAddress(address): ClientAddress,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Error> {
    if body.new == body.current {
        return Err(Error::field("new", "must be another than the current one"));
    }
    // A token may outlive the account.
    let account = state.users.get_linearizable(user.id).await?.ok_or_else(Error::unauthenticated)?;
    let attempt = Attempt::new(&account.email.key, address);
    let known = account.password.clone();
    may_try(&state, &attempt).await?;
    let slot = match check_password(&state, &attempt, body.current, Some(known.clone())).await? {
        Checked::Right(slot) => slot,
        Checked::Wrong => return Err(Error::field("current", "must be your current password")),
    };
    let password = slot.hash(body.new).await?;
    let changed = state.users.update(user.id, |current| {
        if current.password != known {
            return Err(Error::conflict("password-changed", "The password has just been changed. Sign in again."));
        }
        Ok(current.state.clone().choose_password(password.clone(), state.clock.now()))
    });
    changed.await?.ok_or_else(Error::unauthenticated)?;
    // Retried here, since the client can't: the password is changed, so a repeat would fail on the old one.
    let mut backoff = Backoff::default();
    while let Err(error) = state.sessions.end_others(user.id, user.session).await {
        if backoff.failures() + 1 == ATTEMPTS {
            return Err(error.into());
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
