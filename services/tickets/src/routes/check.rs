//! POST /api/tickets/check and /api/tickets/{id}/check: check a new listing or the replacement of one, without storing
//! anything.

use axum::extract::State;
use common::api::tickets::NewListing;
use common::error::Error;
use common::id::TicketId;
use common::identity::CurrentUser;
use http::StatusCode;
use platform::http::extract::{Body, CreateRequest, Id};
use platform::http::versions::IfMatch;

use super::create::find_created;
use super::view::to_details;
use crate::domain::ticket::Ticket;
use crate::flows::edit_listing::{EditRequest, check_edit};
use crate::flows::ensure_not_listed::ensure_not_listed;
use crate::flows::join_show::{details_in_show, find_show};
use crate::state::AppState;

/// Check a new listing without creating it.
#[utoipa::path(post, path = "/api/tickets/check", tag = "tickets", request_body = NewListing,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The key of the request that will create the listing. If that exists, the check succeeds.")),
    responses((status = 204, description = "It would be listed now.")))]
pub(super) async fn check_listing(
    State(state): State<AppState>,
    user: CurrentUser,
    CreateRequest { body, key }: CreateRequest<NewListing>,
) -> Result<StatusCode, Error> {
    if find_created(&state, user.id, key.as_ref()).await?.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let (details, names) = to_details(body?)?;
    let described = details.show();
    details.check_cap(&state.price_caps, described.country.as_deref())?;
    // If the show does not exist yet, none of its seats is listed.
    if let Some(show) = find_show(&state, &described).await? {
        let (link, details) = details_in_show(&state, details, &show)?;
        let (ticket, _) = Ticket::list(TicketId::new(), user.id, link, details, names, state.clock.now());
        ensure_not_listed(&state, &ticket).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Check the replacement of a listing without making it.
#[utoipa::path(post, path = "/api/tickets/{id}/check", tag = "tickets", request_body = NewListing,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("id" = TicketId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must match.")),
    responses((status = 204, description = "It would be replaced now.")))]
pub(super) async fn check_replacement(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<TicketId>,
    if_match: IfMatch,
    Body(body): Body<NewListing>,
) -> Result<StatusCode, Error> {
    let (details, names) = to_details(body)?;
    check_edit(&state, EditRequest { id, seller: user.id, if_match: &if_match, details, names }).await?;
    Ok(StatusCode::NO_CONTENT)
}
