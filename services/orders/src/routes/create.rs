//! POST /api/orders: a buyer places an order, which holds the ticket.

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
use platform::reconcile::Own;
use platform::store::idempotency::{self, InsertOutcome};

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
    let request = state.orders.idempotent(user.id, key.as_ref());
    if let Some(earlier) = request.find_replay::<OrderView>().await?
        && may_replay(&state, earlier.id, key.as_ref()).await?
    {
        return Ok(created(earlier));
    }
    let body = body?;
    let ticket = state.tickets.get(body.ticket_id).await?.ok_or(Error::NotFound)?;
    let (order, change) = Order::place(OrderId::new(), user.id, &ticket, state.config.order_ttl, state.clock.now())?;
    if let Some(error) = check_limits(&state, user.id, body.ticket_id).await? {
        // A buyer who already holds this ticket gets the more helpful `AlreadyHeld`.
        let already_held = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
        return Err(if already_held { OrderError::AlreadyHeld.into() } else { error.into() });
    }
    let view = view::order(Versioned { version: 0, state: order.clone() });
    match request.insert(order, change, Some(&view)).await? {
        InsertOutcome::Created(order) => {
            keep_or_withdraw(&state, &order).await?;
            reconcile_order(&state, order.id, Own::from(order), Seen::default()).await?;
            Ok(created(view))
        }
        InsertOutcome::Replayed(earlier) if may_replay(&state, earlier.id, key.as_ref()).await? => Ok(created(earlier)),
        // The concurrent request has just withdrawn its hold, which exceeded the limit.
        InsertOutcome::Replayed(_) => Err(idempotency::in_flight()),
        InsertOutcome::Duplicate(error) if error.is_duplicate_of(store::TICKET_HOLDER.name) => {
            let already_held = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
            Err(if already_held { OrderError::AlreadyHeld } else { OrderError::TicketTaken }.into())
        }
        InsertOutcome::Duplicate(error) => Err(error.into()),
    }
}

fn created(view: OrderView) -> Response {
    let location = [(header::LOCATION, ReadOrder { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
