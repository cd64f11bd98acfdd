//! POST /api/users/signup: creates an account and signs the user in.

use axum::extract::State;
use axum::response::Response;
use common::api;
use common::api::users::NewUser;
use common::error::Error;
use http::{HeaderMap, StatusCode};
use platform::http::address::ClientAddress;
use platform::http::extract::Body;
use platform::store::index::ID_INDEX;

use super::cookies::Cookies;
use super::view::signed_in;
use crate::domain::email::Email;
use crate::domain::user::User;
use crate::flows::open_session::open_session;
use crate::state::AppState;
use crate::store;

/// Create an account.
#[utoipa::path(post, path = "/api/users/signup", tag = "users", request_body = NewUser,
    responses((status = 201, body = api::users::User, description = "Sets the cookies.")))]
pub(super) async fn sign_up(
    State(state): State<AppState>,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Body(body): Body<NewUser>,
) -> Result<Response, Error> {
    let NewUser { email, password, display_name } = body;
    let email = Email::parse(&email).map_err(|error| Error::field("email", error.to_string()))?;
    state.throttles.record_sign_up(address, state.clock.now()).await?;
    // Only avoids hashing a password in vain. What prevents two accounts with the same address is the unique user id,
    // which `emails.assign` returns for that address every time.
    if store::find_user(&state.users, &email.key).await?.is_some() {
        return Err(in_use());
    }
    let hash = state.hasher.acquire().await?.hash(password).await?;
    let id = state.emails.assign(email.key.clone()).await?;
    let (user, change) = User::register(id, email, hash, display_name.map(String::from), state.clock.now());
    let user = state.users.insert(user, change).await;
    let user = user.map_err(|error| if error.is_duplicate_of(ID_INDEX) { in_use() } else { error.into() })?;
    let tokens = open_session(&state, &user, &headers).await?;
    Ok(signed_in(StatusCode::CREATED, &user, cookies, &tokens))
}

fn in_use() -> Error {
    Error::conflict("email-in-use", "An account with this email address already exists. Sign in instead.")
}
