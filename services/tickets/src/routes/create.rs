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
use platform::store::idempotency::InsertOutcome;

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
    let request = state.tickets.idempotent(user.id, key.as_ref());
    if let Some(earlier) = request.find_replay().await? {
        return Ok(created(earlier));
    }
    let now = state.clock.now();
    let (ticket, change) = Ticket::list(TicketId::new(), user.id, to_details(body?), now);
    let view = to_view(Versioned { version: 0, state: ticket.clone() });
    match request.insert(ticket, change, Some(&view)).await? {
        InsertOutcome::Created(_) => Ok(created(view)),
        InsertOutcome::Replayed(earlier) => Ok(created(earlier)),
        InsertOutcome::Duplicate(error) => Err(error.into()),
    }
}

fn created(view: Listing) -> Response {
    let location = [(header::LOCATION, ReadListing { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
