//! POST /api/orders: a buyer places an order, which holds seats of a listing.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::Endpoint as _;
use common::api::orders::{NewOrder, Order as OrderView, ReadOrder};
use common::error::Error;
use common::id::OrderId;
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::CreateRequest;
use platform::http::versions::etag;
use platform::reconcile::Current;
use platform::store::claims;

use super::view;
use crate::domain::order::{Order, OrderError};
use crate::flows::hold_seats::{Held, HoldRequest, hold_seats};
use crate::flows::limit_holds::{check_limits, keep_or_withdraw, may_replay};
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;
use crate::store;

/// Hold seats of a listing.
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
    let now = state.clock.now();
    Order::ensure_orderable(user.id, &ticket, now)?;
    if let Some(error) = check_limits(&state, user.id, body.ticket_id).await? {
        // A buyer who already holds seats of this listing gets the more helpful `AlreadyHeld`.
        let open = store::open_orders(&state.orders, body.ticket_id).await?;
        let already_held = open.iter().any(|order| order.buyer_id == user.id && order.is_unpaid());
        return Err(if already_held { OrderError::AlreadyHeld.into() } else { error.into() });
    }
    let claim = state.claims.claim(user.id, key.as_ref(), OrderId::new(), (), now).await?;
    // The claim records the idempotency key with the order's id, so that repeated requests with the key get the same
    // id. The hold begins now even if the claim is older: an earlier request with the same key may have failed to
    // insert the order, for example because the seats were taken.
    let quantity = body.quantity.map(usize::from);
    let request = HoldRequest { id: claim.entity_id, buyer: user.id, ticket: &ticket, quantity, now };
    let order = match hold_seats(&state, &request).await? {
        Held::New(order) => order,
        Held::Earlier(earlier) => {
            if may_replay(&state, &earlier, &claim).await? {
                return Ok(created(&earlier));
            }
            // The concurrent request has just withdrawn its hold, because it exceeded the buyer's limit.
            return Err(claims::in_flight());
        }
    };
    keep_or_withdraw(&state, &order, &claim).await?;
    reconcile_order(&state, order.id, Current::from(order.clone()), Seen::default()).await?;
    Ok(created(&order))
}

/// The response to the request that placed the order. It shows the order as it was then, even if it has changed since.
fn created(order: &Order) -> Response {
    let view = view::order(Versioned { version: 0, state: order.as_placed() }, None);
    let location = [(header::LOCATION, ReadOrder { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
