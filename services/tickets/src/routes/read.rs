//! GET /api/tickets/{id}.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::tickets::Listing;
use common::error::Error;
use common::id::TicketId;
use platform::http::extract::Id;
use platform::http::versions::etag;

use super::listing_json::ListingJson;
use crate::state::AppState;

/// Get a ticket.
#[utoipa::path(get, path = "/api/tickets/{id}", tag = "tickets", params(("id" = TicketId, Path)),
    responses((status = 200, body = Listing)))]
pub(super) async fn read(State(state): State<AppState>, Id(id): Id<TicketId>) -> Result<Response, Error> {
    let stored = state.tickets.get_stored(id).await?.ok_or(Error::NotFound)?;
    let listing = ListingJson::read(&stored)?;
    Ok((etag(listing.version), Json(listing)).into_response())
}
