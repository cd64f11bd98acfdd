//! DELETE /api/tickets/{id}: withdraws a listing.

use axum::extract::State;
use axum::response::IntoResponse;
use common::error::Error;
use common::id::TicketId;
use common::identity::CurrentUser;
use http::StatusCode;
use platform::http::extract::Id;
use platform::http::versions::{IfMatch, etag};

use crate::flows::change_listing::change_listing;
use crate::state::AppState;

/// Withdraw a listing.
#[utoipa::path(delete, path = "/api/tickets/{id}", tag = "tickets",
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("id" = TicketId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must match.")),
    responses((status = 204)))]
pub(super) async fn withdraw(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<TicketId>,
    if_match: IfMatch,
) -> Result<impl IntoResponse, Error> {
    let now = state.clock.now();
    let withdrawn = change_listing(&state, id, user.id, &if_match, |ticket| ticket.withdraw(now).map_err(Error::from));
    let ticket = withdrawn.await?;
    Ok((StatusCode::NO_CONTENT, etag(ticket.version)))
}
