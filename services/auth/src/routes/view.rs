//! A user as they see themselves, and their sessions.

use axum::Json;
use axum::response::{IntoResponse, Response};
use common::id::{SessionId, UserId};
use common::timestamp::Timestamp;
use http::StatusCode;
use platform::http::versions::etag;
use platform::store::Versioned;
use serde::Serialize;
use utoipa::ToSchema;

use super::cookies::Cookies;
use crate::domain::session::Session;
use crate::domain::user::User;
use crate::flows::open_session::Tokens;

/// A user, as their owner alone sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(super) struct UserView {
    id: UserId,
    /// As it was written at sign-up.
    #[schema(format = "email")]
    email: String,
    /// How other people see them.
    display_name: String,
    created_at: Timestamp,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.address.clone(),
            display_name: user.display_name.clone(),
            created_at: user.created_at,
        }
    }
}

/// A device on which the user is signed in.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(super) struct SessionView {
    id: SessionId,
    /// What the browser calls itself.
    device: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Timestamp,
    last_used_at: Timestamp,
    /// When it ends unless it is used before.
    expires_at: Timestamp,
}

impl SessionView {
    pub(super) fn new(session: Session, current: SessionId) -> Self {
        Self {
            current: session.id == current,
            id: session.id,
            device: session.device,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}

/// The answer to whoever is signed in from now on: the user, and the cookies.
pub(super) fn signed_in(status: StatusCode, user: &Versioned<User>, cookies: Cookies, tokens: &Tokens) -> Response {
    (status, etag(user.version), cookies.set(tokens), Json(UserView::from(&user.state))).into_response()
}
