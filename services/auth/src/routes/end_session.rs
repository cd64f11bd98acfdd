//! DELETE /api/users/sessions/{id}: ends one of the user's sessions, on this device or on another one.

use axum::extract::State;
use axum::response::IntoResponse;
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
    responses((status = 204, description = "Clears the cookies if the ended session is the current one.")))]
pub(super) async fn end_session(
    State(state): State<AppState>,
    user: CurrentUser,
    cookies: Cookies,
    Id(id): Id<SessionId>,
) -> Result<impl IntoResponse, Error> {
    if !state.sessions.end_of_user(user.id, id, state.clock.now()).await? {
        return Err(Error::NotFound);
    }
    let cleared = (id == user.session).then(|| cookies.clear());
    Ok((cleared, StatusCode::NO_CONTENT))
}
