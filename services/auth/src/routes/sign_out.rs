//! POST /api/users/signout: signs this device out.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::IntoResponse;
use common::error::Error;
use common::identity::CurrentUser;
use http::{HeaderMap, StatusCode};

use super::cookies::Cookies;
use crate::state::AppState;

/// Sign out. Also succeeds without a session.
#[utoipa::path(post, path = "/api/users/signout", tag = "users",
    security((), ("session" = []), ("sessionOverHttp" = []), ("refresh" = []), ("refreshOverHttp" = [])),
    responses((status = 204, description = "Clears the cookies.")))]
pub(super) async fn sign_out(
    State(state): State<AppState>,
    user: Option<CurrentUser>,
    cookies: Cookies,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Error> {
    let token = match cookies.refresh_token(&headers) {
        Some(token) => state.sessions.find_token(token).await?,
        None => None,
    };
    // Both cookies usually name the same session, but the access token may have expired.
    let sessions = [token.map(|token| token.session_id), user.map(|user| user.session)];
    for session in sessions.into_iter().flatten().collect::<BTreeSet<_>>() {
        state.sessions.end(session).await?;
    }
    Ok((StatusCode::NO_CONTENT, cookies.clear()))
}
