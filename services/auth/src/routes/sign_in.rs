//! POST /api/users/signin: signs a user in on a device.
//!
//! # Why
//! An unknown email address and a wrong password get the same response after the same work, so that neither the
//! response nor its timing reveals who has an account.

use axum::extract::State;
use axum::response::Response;
use common::api::users::{Credentials, User};
use common::error::{Error, Rejection};
use http::{HeaderMap, StatusCode};
use platform::http::address::ClientAddress;
use platform::http::extract::Body;

use super::cookies::Cookies;
use super::view::signed_in;
use crate::domain::email::EmailKey;
use crate::flows::check_password::check_password;
use crate::flows::open_session::open_session;
use crate::state::AppState;
use crate::store;

/// Sign in.
#[utoipa::path(post, path = "/api/users/signin", tag = "users", request_body = Credentials,
    responses((status = 200, body = User, description = "Sets the cookies.")))]
pub(super) async fn sign_in(
    State(state): State<AppState>,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Body(body): Body<Credentials>,
) -> Result<Response, Error> {
    let key = EmailKey::of(&body.email);
    let attempt = state.throttles.attempt(&key, address);
    state.throttles.check(&attempt, state.clock.now()).await?;
    let user = store::find_user(&state.users, &key).await?;
    let stored = user.as_ref().map(|user| user.password.clone());
    let permit = check_password(&state, &attempt, body.password, stored).await?;
    let (Some(permit), Some(user)) = (permit, user) else {
        return Err(wrong_credentials());
    };
    // The permit of a correct password allows another hash; none is needed here.
    drop(permit);
    state.throttles.record_sign_in(user.id, state.clock.now()).await?;
    let tokens = open_session(&state, &user, &headers).await?;
    let trimmed = state.sessions.end_all_but_newest(user.id, state.sessions_per_account.get());
    // A concurrent password change may have ended all other sessions before this one was stored, so compare again. The
    // read is linearizable, since no compare-and-swap follows that would detect a stale one.
    let (current, ()) = tokio::try_join!(state.users.get_linearizable(user.id), trimmed)?;
    if current.is_none_or(|current| current.password != user.password) {
        state.sessions.end(tokens.session).await?;
        return Err(wrong_credentials());
    }
    Ok(signed_in(StatusCode::OK, &user, cookies, &tokens))
}

fn wrong_credentials() -> Error {
    Error::Unauthenticated(Rejection::new("wrong-credentials", "The email address or password is wrong."))
}
