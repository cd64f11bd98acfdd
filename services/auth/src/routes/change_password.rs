//! PUT /api/users/password: a user chooses another password, and is signed out everywhere else.
//!
//! # Why
//! Whoever holds a session without knowing the password (a laptop left open) must not be able to guess it here, so
//! a wrong one counts as a failed sign-in.

use axum::extract::State as Shared;
use common::api::users::NewPassword;
use common::error::Error;
use common::identity::CurrentUser;
use http::StatusCode;
use platform::http::address::ClientAddress;
use platform::http::extract::Body;

use crate::flows::check_password::{Checked, check_password};
use crate::state::State;
use crate::store::throttles::Attempt;

/// Choose another password.
#[utoipa::path(put, path = "/api/users/password", tag = "users", request_body = NewPassword,
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 204, description = "All other sessions of the user have ended.")))]
pub(super) async fn change_password(
    Shared(state): Shared<State>,
    user: CurrentUser,
    ClientAddress(address): ClientAddress,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Error> {
    // A token may outlive the account.
    let account = state.users.get_certain(user.id).await?.ok_or_else(Error::signed_out)?;
    let attempt = Attempt::new(&account.email.key, address);
    let known = account.password.clone();
    let slot = match check_password(&state, &attempt, body.current, Some(known.clone())).await? {
        Checked::Right(slot) => slot,
        Checked::Wrong => return Err(Error::field("current", "is not your password")),
    };
    let password = slot.hash(body.new).await?;
    // First as well: if this ends half way, no session of a thief outlives a change that is made.
    state.sessions.end_others(user.id, user.session).await?;
    let changed = state.users.update(user.id, |current| {
        if current.password != known {
            return Err(Error::conflict("password-changed", "The password has just been changed. Sign in again."));
        }
        Ok(current.state.clone().choose_password(password.clone(), state.clock.now()))
    });
    changed.await?.ok_or_else(Error::signed_out)?;
    // And those that were opened with the old password meanwhile.
    state.sessions.end_others(user.id, user.session).await?;
    Ok(StatusCode::NO_CONTENT)
}
