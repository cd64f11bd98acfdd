//! GET /api/shows/{id}/tickets: lists what is for sale of a show.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::page::Page;
use common::api::shows::ShowTicketsQuery;
use common::api::tickets::Listing;
use common::error::Error;
use common::id::ShowId;
use platform::http::extract::{Id, Query};
use platform::store::error::StoreError;

use crate::flows::join_show::surviving_show;
use crate::routes::listing_json::ListingJson;
use crate::state::AppState;
use crate::store;

/// List the tickets of a show that are for sale, newest first. Of a merged show, those of the show that remains.
#[utoipa::path(get, path = "/api/shows/{id}/tickets", tag = "shows",
    params(("id" = ShowId, Path), ShowTicketsQuery), responses((status = 200, body = Page<Listing>)))]
pub(in crate::routes) async fn list_show_tickets(
    State(state): State<AppState>,
    Id(id): Id<ShowId>,
    Query(query): Query<ShowTicketsQuery>,
) -> Result<Response, Error> {
    let show = surviving_show(&state, id).await?.ok_or(Error::NotFound)?;
    let page = store::shows::page_of_listings(&state.tickets, state.hidden, show.id, &query, state.clock.now()).await?;
    let Page { items, next_cursor } = page;
    let items = items.iter().map(ListingJson::read).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Json(Page { items, next_cursor }).into_response())
}
