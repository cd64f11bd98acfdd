//! POST /api/users/signout: this device is signed out.

use axum::extract::State;
use axum::response::IntoResponse;
use common::error::Error;
use common::identity::CurrentUser;
use http::{HeaderMap, StatusCode};

use super::cookies::Cookies;
use crate::state::AppState;

/// Sign out. Succeeds for whoever is not signed in, too.
#[utoipa::path(post, path = "/api/users/signout", tag = "users",
    responses((status = 204, description = "Clears the cookies.")))]
pub(super) async fn sign_out(
    State(state): State<AppState>,
    user: Option<CurrentUser>,
    cookies: Cookies,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Error> {
    let token = match cookies.refresh_token(&headers) {
        Some(token) => state.sessions.token(token).await?,
        None => None,
    };
    // Usually the same session; the refresh token outlives the access token.
    let mut ended = [token.map(|token| token.session), user.map(|user| user.session)];
    if ended[0] == ended[1] {
        ended[1] = None;
    }
    for session in ended.into_iter().flatten() {
        state.sessions.end(session).await?;
    }
    Ok((StatusCode::NO_CONTENT, cookies.clear()))
}
