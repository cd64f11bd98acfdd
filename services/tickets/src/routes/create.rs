//! POST /api/tickets: lists a ticket for sale.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::Endpoint as _;
use common::api::tickets::{Listing, NewListing, ReadListing};
use common::error::Error;
use common::id::TicketId;
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::CreateRequest;
use platform::http::versions::etag;
use platform::store::index::ID_INDEX;

use super::view::{to_details, to_view};
use crate::domain::ticket::Ticket;
use crate::state::AppState;

/// List a ticket for sale.
#[utoipa::path(post, path = "/api/tickets", tag = "tickets", request_body = NewListing,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "Makes it safe to retry this request.")),
    responses((status = 201, body = Listing)))]
pub(super) async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    CreateRequest { body, key }: CreateRequest<NewListing>,
) -> Result<Response, Error> {
    if let Some(claim) = state.claims.find(user.id, key.as_ref()).await?
        && state.tickets.get(claim.entity_id).await?.is_some()
    {
        claim.ensure_same_body(key.as_ref())?;
        return Ok(created(claim.answer));
    }
    let details = to_details(body?);
    let (id, now) = (TicketId::new(), state.clock.now());
    let (ticket, _) = Ticket::list(id, user.id, details.clone(), now);
    let view = to_view(Versioned { version: 0, state: ticket });
    let claim = state.claims.claim(user.id, key.as_ref(), id, view, now).await?;
    // The claim is the record of the idempotency key. The listing has the id and the time of the claim, and every
    // repeat has the same body. So the stored response describes the listing, whichever request inserts it.
    let (ticket, change) = Ticket::list(claim.entity_id, user.id, details, claim.at);
    match state.tickets.insert(ticket, change).await {
        Ok(_) => Ok(created(claim.answer)),
        Err(error) if error.is_duplicate_of(ID_INDEX) => Ok(created(claim.answer)),
        Err(error) => Err(error.into()),
    }
}

fn created(view: Listing) -> Response {
    let location = [(header::LOCATION, ReadListing { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
