//! POST /api/users/signin: a user is signed in on one more device.
//!
//! # Why
//! An unknown address and a wrong password get the same answer for the same work.

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
use crate::flows::check_password::{Checked, check_password, may_try};
use crate::flows::open_session::open_session;
use crate::state::AppState;
use crate::store::throttles::Attempt;
use crate::store::users;

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
    let attempt = Attempt::new(&key, address);
    may_try(&state, &attempt).await?;
    let user = users::by_email(&state.users, &key).await?;
    let known = user.as_ref().map(|user| user.password.clone());
    let checked = check_password(&state, &attempt, body.password, known).await?;
    let (Checked::Right(slot), Some(user)) = (checked, user) else {
        return Err(wrong_credentials());
    };
    drop(slot);
    let tokens = open_session(&state, user.id, &headers).await?;
    // Whoever has changed the password meanwhile has ended all other sessions, perhaps before this one was there.
    let present = state.users.get_linearizable(user.id).await?;
    if present.is_none_or(|present| present.password != user.password) {
        state.sessions.end(tokens.session).await?;
        return Err(wrong_credentials());
    }
    Ok(signed_in(StatusCode::OK, &user, cookies, &tokens))
}

fn wrong_credentials() -> Error {
    Error::Unauthenticated(Rejection::new("wrong-credentials", "Email address or password is wrong."))
}
