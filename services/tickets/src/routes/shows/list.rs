//! GET /api/shows: lists shows, newest first.
//!
//! # Why
//! Any seller makes a show by listing a ticket, and leaves it empty by changing the listing to another show or by
//! withdrawing the ticket. If empty shows were listed, one seller could fill the list with them. They are left out
//! after a page was read, so that a request reads a bounded number of shows, however many of them are empty.

use axum::Json;
use axum::extract::State;
use common::api::page::Page;
use common::api::shows::{Show, ShowQuery};
use common::error::Error;
use common::events::show::ShowStatus;
use platform::http::extract::Query;

use super::view::to_views;
use crate::state::AppState;
use crate::store;

/// List shows that have listings, or that were moved or cancelled. Without days in the query, only those that have not
/// begun. A page may have fewer items than `limit`, even if another one follows.
#[utoipa::path(get, path = "/api/shows", tag = "shows", params(ShowQuery),
    responses((status = 200, body = Page<Show>)))]
pub(in crate::routes) async fn list_shows(
    State(state): State<AppState>,
    Query(query): Query<ShowQuery>,
) -> Result<Json<Page<Show>>, Error> {
    let Page { items, next_cursor } = store::shows::page(&state.shows, query, state.clock.now()).await?;
    let mut items = to_views(&state, items).await?;
    let may_be_empty = |show: &Show| show.status == ShowStatus::Scheduled && show.free == 0;
    let unsure = items.iter().filter(|show| may_be_empty(show)).map(|show| show.id).collect();
    let listed = state.offers.listed(unsure).await?;
    items.retain(|show| !may_be_empty(show) || listed.contains(&show.id));
    Ok(Json(Page { items, next_cursor }))
}
