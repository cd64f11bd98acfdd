//! GET /api/users/currentuser: the signed-in user, or null.

use axum::Json;
use axum::extract::State;
use common::api;
use common::error::Error;
use common::identity::CurrentUser;

use super::view;
use crate::state::AppState;

/// Get the signed-in user.
#[utoipa::path(get, path = "/api/users/currentuser", tag = "users",
    security((), ("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = api::users::CurrentUser, description = "The user, or null.")))]
pub(super) async fn current_user(
    State(state): State<AppState>,
    user: Option<CurrentUser>,
) -> Result<Json<api::users::CurrentUser>, Error> {
    let user = match user {
        Some(user) => state.users.get(user.id).await?,
        None => None,
    };
    Ok(Json(api::users::CurrentUser { current_user: user.map(|user| view::user(&user.state)) }))
}
