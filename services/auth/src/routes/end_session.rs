//! DELETE /api/users/sessions/{id}: another device is signed out, or this one.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::id::SessionId;
use common::identity::CurrentUser;
use http::StatusCode;
use platform::http::extract::Id;

use super::cookies::Cookies;
use crate::state::AppState;

/// Sign a device out.
#[utoipa::path(delete, path = "/api/users/sessions/{id}", tag = "users", params(("id" = SessionId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 204, description = "Clears the cookies when it is the session that asks.")))]
pub(super) async fn end_session(
    State(state): State<AppState>,
    user: CurrentUser,
    cookies: Cookies,
    Id(id): Id<SessionId>,
) -> Result<Response, Error> {
    if !state.sessions.end_of(user.id, id, state.clock.now()).await? {
        return Err(Error::NotFound);
    }
    Ok(if id == user.session {
        (StatusCode::NO_CONTENT, cookies.clear()).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}
