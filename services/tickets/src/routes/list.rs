//! GET /api/tickets: what there is, newest first.

use axum::Json;
use axum::extract::State;
use common::api::page::{Page, PageQuery};
use common::api::tickets::{Listing, ListingQuery};
use common::error::Error;
use platform::http::extract::Query;
use platform::store::page::PageRequest;

use super::view::listing;
use crate::state::AppState;
use crate::store::{self, Filter};

/// List tickets.
#[utoipa::path(get, path = "/api/tickets", tag = "tickets", params(ListingQuery),
    responses((status = 200, body = Page<Listing>)))]
pub(super) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListingQuery>,
) -> Result<Json<Page<Listing>>, Error> {
    let ListingQuery { status, seller, q, limit, cursor } = query;
    let filter = Filter { status, seller, text: q.map(String::from) };
    let page = PageRequest::from(&PageQuery { limit, cursor });
    let found = store::page(&state.tickets, &filter, state.clock.now(), &page).await?;
    Ok(Json(found.map(listing)))
}
