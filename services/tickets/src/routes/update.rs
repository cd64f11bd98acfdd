//! PUT /api/tickets/{id}: replaces the details of a listing.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::tickets::{Listing, NewListing};
use common::error::Error;
use common::id::TicketId;
use common::identity::CurrentUser;
use platform::http::extract::{Body, Id};
use platform::http::versions::{IfMatch, etag};

use super::view::{to_details, to_view};
use crate::flows::edit_listing::{EditRequest, edit_listing};
use crate::state::AppState;

/// Replace a listing.
#[utoipa::path(put, path = "/api/tickets/{id}", tag = "tickets", request_body = NewListing,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("id" = TicketId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must match.")),
    responses((status = 200, body = Listing)))]
pub(super) async fn update(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<TicketId>,
    if_match: IfMatch,
    Body(body): Body<NewListing>,
) -> Result<impl IntoResponse, Error> {
    let (details, names) = to_details(body)?;
    let request = EditRequest { id, seller: user.id, if_match: &if_match, details, names };
    let ticket = edit_listing(&state, request).await?;
    Ok((etag(ticket.version), Json(to_view(ticket))))
}
