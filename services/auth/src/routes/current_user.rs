//! GET /api/users/currentuser.

use axum::Json;
use axum::extract::State as Shared;
use common::error::Error;
use common::identity::CurrentUser as SignedIn;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::UserView;
use crate::state::State;

/// Who asks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrentUser {
    /// Null for whoever is not signed in.
    current_user: Option<UserView>,
}

/// Who am I?
#[utoipa::path(get, path = "/api/users/currentuser", tag = "users", responses((status = 200, body = CurrentUser, description = "The user, or null.")))]
pub(super) async fn current_user(
    Shared(state): Shared<State>,
    user: Option<SignedIn>,
) -> Result<Json<CurrentUser>, Error> {
    let user = match user {
        Some(user) => state.users.get(user.id).await?,
        None => None,
    };
    Ok(Json(CurrentUser { current_user: user.map(|user| UserView::from(&user.state)) }))
}
