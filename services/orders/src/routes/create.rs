//! POST /api/orders: a buyer holds a ticket.

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
use platform::http::extract::Creation;
use platform::http::versions::etag;
use platform::store::idempotency::{self, InsertOutcome};

use super::view;
use crate::domain::order::{Order, OrderError};
use crate::flows::limit_holds::{may_hold, may_repeat, settle_hold};
use crate::flows::reconcile_order::reconcile_order;
use crate::state::AppState;
use crate::store;

/// Hold a ticket.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = NewOrder,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat of this request harmless.")),
    responses((status = 201, body = OrderView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    Creation { body, key }: Creation<NewOrder>,
) -> Result<Response, Error> {
    let request = state.orders.idempotent(user.id, key.as_ref());
    if let Some(earlier) = request.earlier::<OrderView>().await?
        && may_repeat(&state, earlier.id, key.as_ref()).await?
    {
        return Ok(created(earlier));
    }
    let body = body?;
    let ticket = state.tickets.get(body.ticket_id).await?.ok_or(Error::NotFound)?;
    let (order, change) = Order::place(OrderId::new(), user.id, &ticket, state.hold, state.clock.now())?;
    if let Err(refused) = may_hold(&state, user.id, body.ticket_id).await? {
        // Who has the ticket already is told so.
        let own = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
        return Err(if own { OrderError::AlreadyHeld.into() } else { refused.into() });
    }
    let view = view::order(Versioned { version: 0, state: order.clone() });
    match request.insert(order, change, Some(&view)).await? {
        InsertOutcome::Created(order) => {
            settle_hold(&state, &order).await??;
            reconcile_order(&state, order.id).await?;
            Ok(created(view))
        }
        InsertOutcome::Replayed(earlier) if may_repeat(&state, earlier.id, key.as_ref()).await? => Ok(created(earlier)),
        // The other one has just given its hold up, which was one too many.
        InsertOutcome::Replayed(_) => Err(idempotency::in_flight()),
        InsertOutcome::Refused(error) if error.is_duplicate_of(store::OPEN.name) => {
            let own = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
            Err(if own { OrderError::AlreadyHeld } else { OrderError::TicketTaken }.into())
        }
        InsertOutcome::Refused(error) => Err(error.into()),
    }
}

fn created(view: OrderView) -> Response {
    let location = [(header::LOCATION, ReadOrder { id: view.id }.path())];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
