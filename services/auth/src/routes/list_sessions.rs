//! GET /api/users/sessions: the devices on which the user is signed in.

use axum::Json;
use axum::extract::State;
use common::api::page::{Page, PageQuery};
use common::api::users::Session;
use common::error::Error;
use common::identity::CurrentUser;
use platform::http::extract::Query;
use platform::store::page::PageRequest;

use super::view;
use crate::state::AppState;

/// List the sessions of the signed-in user.
#[utoipa::path(get, path = "/api/users/sessions", tag = "users", params(PageQuery),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Page<Session>, description = "Sessions that have not ended.")))]
pub(super) async fn list_sessions(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Session>>, Error> {
    let page = PageRequest::from(&query);
    let found = state.sessions.page(user.id, state.clock.now(), &page).await?;
    Ok(Json(found.map(|session| view::session(session, user.session))))
}
