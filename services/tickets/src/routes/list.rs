//! GET /api/tickets: lists tickets, newest first.

use axum::Json;
use axum::extract::State;
use common::api::page::Page;
use common::api::tickets::{Listing, ListingQuery};
use common::error::Error;
use platform::http::extract::Query;

use super::view::to_view;
use crate::state::AppState;
use crate::store;

/// List tickets.
#[utoipa::path(get, path = "/api/tickets", tag = "tickets", params(ListingQuery),
    responses((status = 200, body = Page<Listing>)))]
pub(super) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListingQuery>,
) -> Result<Json<Page<Listing>>, Error> {
    let found = store::page(&state.tickets, query, state.clock.now()).await?;
    Ok(Json(found.map(to_view)))
}
