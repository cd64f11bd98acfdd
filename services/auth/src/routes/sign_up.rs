//! POST /api/users/signup: somebody opens an account, and is signed in.

use axum::extract::State;
use axum::response::Response;
use common::api::users::{NewUser, User};
use common::error::Error;
use common::id::UserId;
use http::{HeaderMap, StatusCode};
use platform::http::address::ClientAddress;
use platform::http::extract::Body;
use platform::store::error::StoreError;

use super::cookies::Cookies;
use super::view::signed_in;
use crate::domain::email::Email;
use crate::domain::user::User as Account;
use crate::flows::open_session::open_session;
use crate::state::AppState;
use crate::store::users::{self, EMAIL_INDEX};

/// Open an account.
#[utoipa::path(post, path = "/api/users/signup", tag = "users", request_body = NewUser,
    responses((status = 201, body = User, description = "Sets the cookies.")))]
pub(super) async fn sign_up(
    State(state): State<AppState>,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Body(body): Body<NewUser>,
) -> Result<Response, Error> {
    let NewUser { email, password, display_name } = body;
    let email = Email::parse(&email).map_err(|error| Error::field("email", error.to_string()))?;
    if let Some(wait) = state.throttles.sign_up(address, state.clock.now()).await? {
        return Err(Error::RateLimited(wait));
    }
    // The index decides; to look first spares a hash.
    if users::by_email(&state.users, &email.key).await?.is_some() {
        return Err(in_use());
    }
    let hash = state.hasher.slot().await?.hash(password).await?;
    let (user, change) =
        Account::register(UserId::new(), email, hash, display_name.map(String::from), state.clock.now());
    let user = state.users.insert(user, change).await.map_err(|error| match error {
        StoreError::Duplicate(index) if index == EMAIL_INDEX => in_use(),
        error => error.into(),
    })?;
    let tokens = open_session(&state, user.id, &headers).await?;
    Ok(signed_in(StatusCode::CREATED, &user, cookies, &tokens))
}

fn in_use() -> Error {
    Error::conflict("email-in-use", "There is an account with this email address. Sign in instead.")
}
