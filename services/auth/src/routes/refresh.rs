//! POST /api/users/refresh: exchanges a refresh token for new tokens.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api;
use common::error::Error;
use http::{HeaderMap, StatusCode};

use super::cookies::Cookies;
use super::view::signed_in;
use crate::domain::session::{RefreshOutcome, TokenError};
use crate::domain::user::User;
use crate::flows::open_session::Tokens;
use crate::state::AppState;

/// Exchange the refresh cookie for new tokens.
#[utoipa::path(post, path = "/api/users/refresh", tag = "users",
    security(("refresh" = []), ("refreshOverHttp" = [])),
    responses((status = 200, body = api::users::User, description = "Replaces the cookies; a 401 clears them.")))]
pub(super) async fn refresh(
    State(state): State<AppState>,
    cookies: Cookies,
    headers: HeaderMap,
) -> Result<Response, Error> {
    match exchange(&state, cookies.refresh_token(&headers)).await {
        Ok((user, tokens)) => Ok(signed_in(StatusCode::OK, &user, cookies, &tokens)),
        // A rejected token stays invalid. After any other error it may still be valid, so the cookies stay.
        Err(error @ Error::Unauthenticated(_)) => Ok((cookies.clear(), error).into_response()),
        Err(error) => Err(error),
    }
}

async fn exchange(state: &AppState, token: Option<&str>) -> Result<(Versioned<User>, Tokens), Error> {
    let token = token.ok_or_else(Error::unauthenticated)?;
    let record = state.sessions.find_token(token).await?.ok_or_else(Error::unauthenticated)?;
    loop {
        let session = state.sessions.get(record.session_id).await?.ok_or_else(Error::unauthenticated)?;
        let user = state.users.get_confirming_absence(session.user_id).await?.ok_or_else(Error::unauthenticated)?;
        let now = state.clock.now();
        let refresh = match session.redeem(record.rotation, now, &state.session_policy) {
            Ok(RefreshOutcome::Reissue) => state.sessions.issue(&session, session.rotation).await?,
            Ok(RefreshOutcome::Rotated(next)) => {
                // Stores the token first: a rotation must not become current before a token of it exists.
                let refresh = state.sessions.issue(&next, next.rotation).await?;
                if !state.sessions.rotate(next).await? {
                    continue;
                }
                refresh
            }
            Err(error) => {
                if error == TokenError::Reused {
                    metrics::counter!("refresh_tokens_reused_total").increment(1);
                    tracing::warn!(session.id = %session.id, "refresh token reuse detected; session revoked");
                    state.sessions.end(session.id).await?;
                }
                return Err(Error::unauthenticated());
            }
        };
        let access = state.signer.sign(user.id, user.roles.clone(), session.id, now)?;
        return Ok((user, Tokens { session: session.id, access, refresh }));
    }
}
