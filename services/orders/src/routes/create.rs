//! POST /api/orders: a buyer places an order, which holds the ticket.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::Endpoint as _;
use common::api::orders::{NewOrder, Order as OrderView, ReadOrder};
use common::error::Error;
use common::id::{OrderId, UserId};
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::CreateRequest;
use platform::http::versions::etag;
use platform::reconcile::Current;
use platform::store::claims;
use platform::store::error::StoreError;

use super::view;
use crate::domain::order::{Order, OrderError};
use crate::flows::limit_holds::{check_limits, keep_or_withdraw, may_replay};
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;
use crate::store;

/// Hold a ticket.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = NewOrder,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "Makes it safe to retry this request.")),
    responses((status = 201, body = OrderView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    CreateRequest { body, key }: CreateRequest<NewOrder>,
) -> Result<Response, Error> {
    if let Some(claim) = state.claims.find(user.id, key.as_ref()).await?
        && let Some(order) = state.orders.get(claim.entity_id).await?
    {
        claim.ensure_same_body(key.as_ref())?;
        if may_replay(&state, &order, &claim).await? {
            return Ok(created(&order));
        }
        // The earlier request has withdrawn its hold, so this one is a new request.
    }
    let body = body?;
    let ticket = state.tickets.get(body.ticket_id).await?.ok_or(Error::NotFound)?;
    let (id, now) = (OrderId::new(), state.clock.now());
    let (order, change) = Order::place(id, user.id, &ticket, state.config.order_ttl, now)?;
    if let Some(error) = check_limits(&state, user.id, body.ticket_id).await? {
        // A buyer who already holds this ticket gets the more helpful `AlreadyHeld`.
        let already_held = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
        return Err(if already_held { OrderError::AlreadyHeld.into() } else { error.into() });
    }
    let claim = state.claims.claim(user.id, key.as_ref(), id, (), now).await?;
    // The order gets the claim's id. Its hold begins now even if the claim is older: an earlier request with the same
    // key may have failed to insert the order, for example because the ticket was taken.
    let order = match state.orders.insert(Order { id: claim.entity_id, ..order }, change).await {
        Ok(order) => order,
        Err(error @ StoreError::Duplicate(_)) => {
            // A repeat violates the unique index on `_id` and the one on the ticket's holder; MongoDB reports either.
            let Some(earlier) = state.orders.get(claim.entity_id).await? else {
                return Err(insert_error(&state, error, &body, user.id).await?);
            };
            if may_replay(&state, &earlier, &claim).await? {
                return Ok(created(&earlier));
            }
            // The concurrent request has just withdrawn its hold, because it exceeded the buyer's limit.
            return Err(claims::in_flight());
        }
        Err(error) => return Err(error.into()),
    };
    keep_or_withdraw(&state, &order, &claim).await?;
    reconcile_order(&state, order.id, Current::from(order.clone()), Seen::default()).await?;
    Ok(created(&order))
}

/// Returns the error for an order that violates a unique index.
async fn insert_error(state: &AppState, error: StoreError, body: &NewOrder, buyer: UserId) -> Result<Error, Error> {
    if !error.is_duplicate_of(store::TICKET_HOLDER.name) {
        return Ok(error.into());
    }
    let already_held = store::is_holder(&state.orders, body.ticket_id, buyer).await?;
    Ok(if already_held { OrderError::AlreadyHeld } else { OrderError::TicketTaken }.into())
}

/// The response to the request that placed the order. It shows the order as it was then, even if it has changed since.
fn created(order: &Order) -> Response {
    let view = view::order(Versioned { version: 0, state: order.as_placed() }, None);
    let location = [(header::LOCATION, ReadOrder { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
