//! PUT /api/tickets/{id}: the seller replaces what they said of the ticket.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::tickets::{Listing, NewListing};
use common::error::Error;
use common::id::TicketId;
use common::identity::CurrentUser;
use platform::http::extract::{Body, Id};
use platform::http::versions::{IfMatch, etag};

use super::view::{listing, said};
use crate::flows::change_listing::change_listing;
use crate::state::AppState;

/// Replace a listing.
#[utoipa::path(put, path = "/api/tickets/{id}", tag = "tickets", request_body = NewListing,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("id" = TicketId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must still hold.")),
    responses((status = 200, body = Listing)))]
pub(super) async fn update(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<TicketId>,
    when: IfMatch,
    Body(body): Body<NewListing>,
) -> Result<impl IntoResponse, Error> {
    let now = state.clock.now();
    let new = said(body);
    let ticket = change_listing(&state, id, user.id, &when, |ticket| ticket.revise(new.clone(), now)).await?;
    Ok((etag(ticket.version), Json(listing(ticket))))
}
