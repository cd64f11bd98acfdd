//! POST /api/users/signup: somebody opens an account, and is signed in.

use axum::extract::State as Shared;
use axum::response::Response;
use common::error::Error;
use common::id::UserId;
use common::validate::Check;
use http::{HeaderMap, StatusCode};
use platform::http::address::ClientAddress;
use platform::http::extract::Body;
use platform::store::error::StoreError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::cookies::Cookies;
use super::view::{UserView, signed_in};
use crate::domain::email::Email;
use crate::domain::password;
use crate::domain::user::{LONGEST_NAME, User};
use crate::flows::open_session::open_session;
use crate::state::State;
use crate::store::users::{self, EMAIL_INDEX};

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignUp {
    /// What they will sign in with; case makes no difference.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// 8 to 128 characters, not a common one.
    #[schema(format = "password", min_length = 8, max_length = 128)]
    password: String,
    /// How other people see them, up to 100 characters; made up when it is absent or blank, never from
    /// the email address.
    #[schema(max_length = 100)]
    display_name: Option<String>,
}

impl SignUp {
    /// Email, password and name, if every field is right.
    fn check(self) -> Result<(Email, String, Option<String>), Error> {
        let mut check = Check::default();
        let email = Email::parse(&self.email);
        if let Err(error) = &email {
            check.fault("email", error.to_string());
        }
        if let Err(error) = password::check(&self.password) {
            check.fault("password", error.to_string());
        }
        let name = check.optional_text("displayName", self.display_name.as_deref(), LONGEST_NAME);
        check.finish()?;
        let email = email.map_err(|error| Error::field("email", error.to_string()))?;
        Ok((email, self.password, name))
    }
}

/// Open an account.
#[utoipa::path(post, path = "/api/users/signup", tag = "users", request_body = SignUp,
    responses((status = 201, body = UserView, description = "Sets the cookies.")))]
pub(super) async fn sign_up(
    Shared(state): Shared<State>,
    cookies: Cookies,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Body(body): Body<SignUp>,
) -> Result<Response, Error> {
    let (email, password, name) = body.check()?;
    if let Some(wait) = state.throttles.sign_up(address, state.clock.now()).await? {
        return Err(Error::RateLimited(wait));
    }
    // The index decides; to look first spares a hash.
    if users::by_email(&state.users, &email.key).await?.is_some() {
        return Err(in_use());
    }
    let hash = state.hasher.slot().await?.hash(password).await?;
    let (user, change) = User::register(UserId::new(), email, hash, name, state.clock.now());
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
