//! PUT /api/users/password: changes the password and ends all other sessions of the user.
//!
//! # Why
//! Somebody at an unlocked laptop has a session without knowing the password, and must not be able to guess it here. So
//! a wrong one counts as a failed sign-in.

use axum::extract::State;
use common::api::users::NewPassword;
use common::error::Error;
use common::identity::CurrentUser;
use common::problem::{FieldError, Params};
use http::StatusCode;
use platform::http::address::ClientAddress;
use platform::http::extract::Body;
use platform::lifecycle::Backoff;

use crate::flows::check_password::check_password;
use crate::state::AppState;

/// Maximum number of attempts to end the other sessions.
const END_SESSIONS_ATTEMPTS: u32 = 5;

/// Change the password.
#[utoipa::path(put, path = "/api/users/password", tag = "users", request_body = NewPassword,
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 204, description = "All other sessions of the user have ended; their access tokens expire within minutes.")))]
pub(super) async fn change_password(
    State(state): State<AppState>,
    current_user: CurrentUser,
    ClientAddress(address): ClientAddress,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Error> {
    // A valid token may name an account that is lost since a restore.
    let user = state.users.get_confirming_absence(current_user.id).await?.ok_or_else(Error::unauthenticated)?;
    let attempt = state.throttles.attempt(&user.email.key, address);
    state.throttles.check(&attempt, state.clock.now()).await?;
    let permit = check_password(&state, &attempt, body.current, Some(user.password.clone())).await?;
    let permit = permit.ok_or_else(|| {
        let error = FieldError::new("current", "must be your current password");
        Error::Invalid(vec![error.with_code("wrong-password", Params::default())])
    })?;
    let password = permit.hash(body.new).await?;
    let changed = state.users.update(user.id, |current| {
        if current.password != user.password {
            return Err(Error::conflict("password-changed", "The password has just been changed. Sign in again."));
        }
        Ok(current.state.clone().change_password(password.clone(), state.clock.now()))
    });
    changed.await?.ok_or_else(Error::unauthenticated)?;
    // Retried here because the client can't: the old password is no longer accepted.
    let mut backoff = Backoff::default();
    while let Err(error) = state.sessions.end_all_except(user.id, current_user.session).await {
        if backoff.failures() + 1 == END_SESSIONS_ATTEMPTS {
            return Err(error.into());
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
