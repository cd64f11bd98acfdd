//! GET /api/users/sessions: where the user is signed in.

use axum::Json;
use axum::extract::State as Shared;
use common::error::Error;
use common::identity::CurrentUser;
use platform::http::extract::Query;
use platform::store::page::{Page, PageQuery, PageRequest};

use super::view::SessionView;
use crate::state::State;

/// Where am I signed in?
#[utoipa::path(get, path = "/api/users/sessions", tag = "users", params(PageQuery),
    responses((status = 200, body = Page<SessionView>, description = "Sessions that have not ended.")))]
pub(super) async fn list_sessions(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<SessionView>>, Error> {
    let page = PageRequest::try_from(&query)?;
    let found = state.sessions.page(user.id, state.clock.now(), &page).await?;
    Ok(Json(found.map(|session| SessionView::new(session, user.session))))
}
