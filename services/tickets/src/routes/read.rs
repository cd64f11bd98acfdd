//! GET /api/tickets/{id}.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::tickets::Listing;
use common::error::Error;
use common::id::TicketId;
use platform::http::extract::Id;
use platform::http::versions::etag;

use super::view::to_view;
use crate::state::AppState;

/// Get a ticket.
#[utoipa::path(get, path = "/api/tickets/{id}", tag = "tickets", params(("id" = TicketId, Path)),
    responses((status = 200, body = Listing)))]
pub(super) async fn read(State(state): State<AppState>, Id(id): Id<TicketId>) -> Result<impl IntoResponse, Error> {
    let ticket = state.tickets.get(id).await?.ok_or(Error::NotFound)?;
    Ok((etag(ticket.version), Json(to_view(ticket))))
}
