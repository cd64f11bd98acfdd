//! GET /api/users/currentuser.

use axum::Json;
use axum::extract::State;
use common::api::users::CurrentUser;
use common::error::Error;
use common::identity::CurrentUser as SignedIn;

use super::view;
use crate::state::AppState;

/// Who am I?
#[utoipa::path(get, path = "/api/users/currentuser", tag = "users", responses((status = 200, body = CurrentUser, description = "The user, or null.")))]
pub(super) async fn current_user(
    State(state): State<AppState>,
    user: Option<SignedIn>,
) -> Result<Json<CurrentUser>, Error> {
    let user = match user {
        Some(user) => state.users.get(user.id).await?,
        None => None,
    };
    Ok(Json(CurrentUser { current_user: user.map(|user| view::user(&user.state)) }))
}
