//! GET /api/tickets: lists tickets, newest first.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::page::Page;
use common::api::tickets::{Listing, ListingQuery};
use common::error::Error;
use platform::http::extract::Query;
use platform::store::error::StoreError;

use super::listing_json::ListingJson;
use crate::state::AppState;
use crate::store;

/// List tickets.
#[utoipa::path(get, path = "/api/tickets", tag = "tickets", params(ListingQuery),
    responses((status = 200, body = Page<Listing>)))]
pub(super) async fn list(State(state): State<AppState>, Query(query): Query<ListingQuery>) -> Result<Response, Error> {
    let Page { items, next_cursor } = store::page(&state.tickets, state.hidden, query, state.clock.now()).await?;
    let items = items.iter().map(ListingJson::read).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Json(Page { items, next_cursor }).into_response())
}
