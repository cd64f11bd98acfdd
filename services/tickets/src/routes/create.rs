//! POST /api/tickets: a seller lists a ticket.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use common::api::tickets::{Listing, NewListing};
use common::error::Error;
use common::id::TicketId;
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::Creation;
use platform::http::versions::etag;
use platform::store::Versioned;
use platform::store::error::StoreError;

use super::view::{listing, said};
use crate::domain::ticket::Ticket;
use crate::state::State;

/// List a ticket for sale.
#[utoipa::path(post, path = "/api/tickets", tag = "tickets", request_body = NewListing,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat of this request harmless.")),
    responses((status = 201, body = Listing)))]
pub(super) async fn create(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Creation { body, key }: Creation<NewListing>,
) -> Result<Response, Error> {
    if let Some(key) = &key
        && let Some(earlier) = key.replay(user.id, &state.tickets).await?
    {
        return Ok(created(earlier));
    }
    let now = state.clock.now();
    let (ticket, change) = Ticket::list(TicketId::new(), user.id, said(body?), now);
    let view = listing(Versioned { version: 0, state: ticket.clone() });
    let claimed = key.as_ref().map(|key| key.claim(user.id, Some(&view))).transpose()?;
    match (state.tickets.insert_remembered(ticket, change, claimed).await, key) {
        (Ok(_), _) => Ok(created(view)),
        // The same request came twice at once, and the other one was faster.
        (Err(StoreError::Duplicate(_)), Some(key)) => {
            let earlier = key.replay(user.id, &state.tickets).await?;
            earlier.map(created).ok_or_else(|| Error::internal_message("a key is taken and unknown"))
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn created(view: Listing) -> Response {
    let location = [(header::LOCATION, format!("/api/tickets/{}", view.id))];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
