//! POST /api/users/refresh: a refresh token is exchanged for new tokens.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api;
use common::error::Error;
use http::{HeaderMap, StatusCode};

use super::cookies::Cookies;
use super::view::signed_in;
use crate::domain::session::{Presented, TokenError};
use crate::domain::user::User;
use crate::flows::open_session::Tokens;
use crate::state::AppState;

/// Get new tokens for the refresh cookie.
#[utoipa::path(post, path = "/api/users/refresh", tag = "users",
    responses((status = 200, body = api::users::User, description = "Sets the cookies anew; a 401 clears them.")))]
pub(super) async fn refresh(
    State(state): State<AppState>,
    cookies: Cookies,
    headers: HeaderMap,
) -> Result<Response, Error> {
    match exchange(&state, cookies.refresh_token(&headers)).await {
        Ok((user, tokens)) => Ok(signed_in(StatusCode::OK, &user, cookies, &tokens)),
        // A token that is refused will never be good again; one that could not be looked up may be.
        Err(refused @ Error::Unauthenticated(_)) => Ok((cookies.clear(), refused).into_response()),
        Err(error) => Err(error),
    }
}

async fn exchange(state: &AppState, token: Option<&str>) -> Result<(Versioned<User>, Tokens), Error> {
    let token = token.ok_or_else(Error::unauthenticated)?;
    let known = state.sessions.token(token).await?.ok_or_else(Error::unauthenticated)?;
    loop {
        let session = state.sessions.get(known.session).await?.ok_or_else(Error::unauthenticated)?;
        let user = state.users.get_linearizable(session.user_id).await?.ok_or_else(Error::unauthenticated)?;
        let now = state.clock.now();
        let refresh = match session.present(known.generation, now, &state.lifetimes) {
            Ok(Presented::Sibling) => state.sessions.issue(&session, session.generation).await?,
            Ok(Presented::Rotated(next)) => {
                // The token first: a session must not move on to a generation that nobody was given.
                let refresh = state.sessions.issue(&next, next.generation).await?;
                if !state.sessions.rotate(next).await? {
                    continue;
                }
                refresh
            }
            Err(error) => {
                if error == TokenError::Reused {
                    metrics::counter!("refresh_tokens_reused_total").increment(1);
                    tracing::warn!(session.id = %session.id, "a refresh token was used after its time; session ended");
                    state.sessions.end(session.id).await?;
                }
                return Err(Error::unauthenticated());
            }
        };
        let access = state.keys.sign(user.id, session.id, now)?;
        return Ok((user, Tokens { session: session.id, access, refresh }));
    }
}
