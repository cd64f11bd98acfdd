//! PUT /api/users/me: changes the display name.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::users::{Profile, User};
use common::error::Error;
use common::identity::CurrentUser;
use platform::http::extract::Body;
use platform::http::versions::{IfMatch, etag};

use super::view;
use crate::state::AppState;

/// Change the display name.
#[utoipa::path(put, path = "/api/users/me", tag = "users", request_body = Profile,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("If-Match" = Option<String>, Header, description = "ETag that must match.")),
    responses((status = 200, body = User, description = "The changed user.")))]
pub(super) async fn update_me(
    State(state): State<AppState>,
    user: CurrentUser,
    if_match: IfMatch,
    Body(body): Body<Profile>,
) -> Result<impl IntoResponse, Error> {
    // A valid token may name an account that is lost since a restore. Just after an election, `update` alone could miss
    // an account that exists.
    state.users.get_confirming_absence(user.id).await?.ok_or_else(Error::unauthenticated)?;
    let renamed = state.users.update(user.id, |current| {
        if_match.check(current.version)?;
        Ok::<_, Error>(current.state.clone().rename(body.display_name.to_string(), state.clock.now()))
    });
    let user = renamed.await?.ok_or_else(Error::unauthenticated)?;
    Ok((etag(user.version), Json(view::user(&user.state))))
}
