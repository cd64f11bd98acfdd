//! POST /api/orders: a buyer holds a ticket.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use common::api::orders::{NewOrder, Order as OrderView};
use common::error::Error;
use common::id::{OrderId, UserId};
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::Creation;
use platform::http::versions::etag;
use platform::store::error::StoreError;
use platform::store::idempotency::{self, Key};
use platform::store::{IDEMPOTENCY_INDEX, Versioned};

use super::view;
use crate::domain::order::{Order, OrderError};
use crate::flows::limit_holds::{may_hold, may_repeat, settle_hold};
use crate::flows::reconcile_order::reconcile_order;
use crate::state::State;
use crate::store;

/// Hold a ticket.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = NewOrder,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat of this request harmless.")),
    responses((status = 201, body = OrderView)))]
pub(super) async fn create(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Creation { body, key }: Creation<NewOrder>,
) -> Result<Response, Error> {
    if let Some(earlier) = replay(&state, user.id, key.as_ref()).await? {
        return Ok(created(earlier));
    }
    let body = body?;
    let ticket = state.tickets.get(body.ticket_id).await?.ok_or(Error::NotFound)?;
    let (order, change) = Order::place(OrderId::new(), user.id, &ticket, state.hold, state.clock.now())?;
    let allowed = may_hold(&state, user.id, body.ticket_id).await?;
    let view = view::order(Versioned { version: 0, state: order.clone() });
    let refused = match allowed {
        Ok(()) => {
            let claimed = key.as_ref().map(|key| key.claim(user.id, Some(&view))).transpose()?;
            let Err(refused) = state.orders.insert_remembered(order.clone(), change, claimed).await else {
                settle_hold(&state, &order).await??;
                reconcile_order(&state, order.id).await?;
                return Ok(created(view));
            };
            refused
        }
        // Who has the ticket already is told so.
        Err(refused) => {
            let own = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
            return Err(if own { OrderError::AlreadyHeld.into() } else { refused.into() });
        }
    };
    // The same request came twice at once, and the other one was faster: the key was taken with the
    // ticket, so whichever index refused the write, the key is looked at first.
    if matches!(refused, StoreError::Duplicate(_))
        && let Some(earlier) = replay(&state, user.id, key.as_ref()).await?
    {
        return Ok(created(earlier));
    }
    if refused.is_duplicate_of(IDEMPOTENCY_INDEX) {
        // The other one has just given its hold up, which was one too many.
        return Err(idempotency::in_flight());
    }
    if !refused.is_duplicate_of(store::OPEN.name) {
        return Err(refused.into());
    }
    let own = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
    Err(if own { OrderError::AlreadyHeld } else { OrderError::TicketTaken }.into())
}

/// What was answered to the same request before.
async fn replay(state: &State, user: UserId, key: Option<&Key>) -> Result<Option<OrderView>, Error> {
    let Some(key) = key else { return Ok(None) };
    let Some(view) = key.replay::<Order, OrderView>(user, &state.orders).await? else { return Ok(None) };
    Ok(may_repeat(state, view.id, key).await?.then_some(view))
}

fn created(view: OrderView) -> Response {
    let location = [(header::LOCATION, format!("/api/orders/{}", view.id))];
    (StatusCode::CREATED, etag(view.version), location, Json(view)).into_response()
}
