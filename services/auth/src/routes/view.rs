//! Conversions of users and sessions to API types.

use axum::Json;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api;
use common::id::SessionId;
use http::StatusCode;
use platform::http::versions::etag;

use super::cookies::Cookies;
use crate::domain::session::Session;
use crate::domain::user::User;
use crate::flows::open_session::Tokens;

/// The user as shown to that user: with the private email address.
pub(super) fn user(user: &User) -> api::users::User {
    api::users::User {
        id: user.id,
        email: user.email.address.clone(),
        display_name: user.display_name.clone(),
        created_at: user.created_at,
    }
}

/// `current` is the session of the request.
pub(super) fn session(session: Session, current: SessionId) -> api::users::Session {
    api::users::Session {
        current: session.id == current,
        id: session.id,
        device: session.device,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
    }
}

/// Response to a sign-in: the user, and the cookies.
pub(super) fn signed_in(status: StatusCode, user: &Versioned<User>, cookies: Cookies, tokens: &Tokens) -> Response {
    (status, etag(user.version), cookies.set(tokens), Json(self::user(&user.state))).into_response()
}
