//! GET /api/shows: lists shows, newest first.

use axum::Json;
use axum::extract::State;
use common::api::page::Page;
use common::api::shows::{Show, ShowQuery};
use common::error::Error;
use platform::http::extract::Query;

use super::view::to_views;
use crate::state::AppState;
use crate::store;

/// List shows. Without days in the query, only those that have not begun.
#[utoipa::path(get, path = "/api/shows", tag = "shows", params(ShowQuery),
    responses((status = 200, body = Page<Show>)))]
pub(in crate::routes) async fn list_shows(
    State(state): State<AppState>,
    Query(query): Query<ShowQuery>,
) -> Result<Json<Page<Show>>, Error> {
    let Page { items, next_cursor } = store::shows::page(&state.shows, query, state.clock.now()).await?;
    Ok(Json(Page { items: to_views(&state, items).await?, next_cursor }))
}
