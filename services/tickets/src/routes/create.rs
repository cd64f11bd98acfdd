//! POST /api/tickets: lists a ticket for sale.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::Endpoint as _;
use common::api::tickets::{Listing, NewListing, ReadListing};
use common::error::Error;
use common::id::{TicketId, UserId};
use common::identity::CurrentUser;
use common::timestamp::Timestamp;
use http::{StatusCode, header};
use platform::http::extract::CreateRequest;
use platform::http::versions::etag;
use platform::reconcile::Current;
use platform::store::claims::IdempotencyKey;
use platform::store::index::ID_INDEX;

use super::view::{of_view, to_details, to_view};
use crate::domain::show_link::ShowLink;
use crate::domain::ticket::{ListingDetails, Ticket};
use crate::flows::ensure_not_listed::ensure_not_listed;
use crate::flows::follow_show::follow_show;
use crate::flows::join_show::{details_in_show, join_show};
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
    if let Some(listing) = find_created(&state, user.id, key.as_ref()).await? {
        return Ok(created(listing));
    }
    let (id, now) = (TicketId::new(), state.clock.now());
    let (details, names) = to_details(body?)?;
    let (show, details) = join(&state, details, now).await?;
    let (ticket, _) = Ticket::list(id, user.id, show.clone(), details, names, now);
    if let Err(taken) = ensure_not_listed(&state, &ticket).await {
        // Another request with the same key may have stored this listing since.
        return match state.claims.find(user.id, key.as_ref()).await? {
            Some(claim) if state.tickets.get(claim.entity_id).await?.is_some() => {
                claim.ensure_same_body(key.as_ref())?;
                Ok(created(claim.response))
            }
            _ => Err(taken),
        };
    }
    let view = to_view(Versioned { version: 0, state: ticket });
    let claim = state.claims.claim(user.id, key.as_ref(), id, view, now).await?;
    // The claim is the record of the idempotency key. The listing is made from the response that is stored with it, so
    // that the response describes the listing, whichever request inserts it.
    let (show_id, details, names) = of_view(claim.response.clone());
    let show = ShowLink { id: show_id, ..show };
    let (ticket, change) = Ticket::list(claim.entity_id, user.id, show, details, names, claim.at);
    let own = match state.tickets.insert(ticket, change).await {
        Ok(listed) => Current::from(listed),
        Err(error) if error.is_duplicate_of(ID_INDEX) => Current::Unread,
        Err(error) => return Err(error.into()),
    };
    // The show may have been changed since it was read, and the spread of that change may have missed this listing.
    follow_show(&state, claim.entity_id, own, None).await?;
    Ok(created(claim.response))
}

/// Finds the response to an earlier request with this key, if its listing is stored.
///
/// # Errors
/// 422 if the body of that request was another one.
pub(super) async fn find_created(
    state: &AppState,
    seller: UserId,
    key: Option<&IdempotencyKey>,
) -> Result<Option<Listing>, Error> {
    let Some(claim) = state.claims.find(seller, key).await? else { return Ok(None) };
    claim.ensure_same_body(key)?;
    let is_stored = state.tickets.get(claim.entity_id).await?.is_some();
    Ok(is_stored.then_some(claim.response))
}

/// Joins or makes the show that a seller describes. Returns the link to it and the details of its listing.
async fn join(state: &AppState, details: ListingDetails, now: Timestamp) -> Result<(ShowLink, ListingDetails), Error> {
    let described = details.show();
    details.check_cap(&state.price_caps, described.country.as_deref())?;
    let show = join_show(state, described, now).await?;
    details_in_show(state, details, &show)
}

fn created(view: Listing) -> Response {
    let location = [(header::LOCATION, ReadListing { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
