//! POST /api/orders: a buyer holds a ticket.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::id::{OrderId, TicketId};
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::Creation;
use platform::http::versions::etag;
use platform::store::Versioned;
use platform::store::error::StoreError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::OrderView;
use crate::domain::order::{Order, OrderError};
use crate::flows::reconcile_order::reconcile_order;
use crate::state::State;
use crate::store;

/// What is wanted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewOrder)]
pub(super) struct OrderBody {
    /// The ticket, at the price and terms that its listing has now.
    ticket_id: TicketId,
}

/// Hold a ticket.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = OrderBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat of this request harmless.")),
    responses((status = 201, body = OrderView)))]
pub(super) async fn create(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Creation { body, key }: Creation<OrderBody>,
) -> Result<Response, Error> {
    if let Some(key) = &key
        && let Some(earlier) = key.replay(user.id, &state.orders).await?
    {
        return Ok(created(earlier));
    }
    let ticket = state.tickets.get(body.ticket_id).await?.ok_or(Error::NotFound)?;
    let (order, change) = Order::place(OrderId::new(), user.id, &ticket, state.hold, state.clock.now())?;
    let id = order.id;
    let view = OrderView::from(Versioned { version: 0, state: order.clone() });
    let claimed = key.as_ref().map(|key| key.claim(user.id, Some(&view))).transpose()?;
    let Err(refused) = state.orders.insert_remembered(order, change, claimed).await else {
        reconcile_order(&state, id).await?;
        return Ok(created(view));
    };
    // The same request came twice at once, and the other one was faster: the key was taken with the
    // ticket, so whichever index refused the write, the key is looked at first.
    if let (StoreError::Duplicate(_), Some(key)) = (&refused, &key)
        && let Some(earlier) = key.replay(user.id, &state.orders).await?
    {
        return Ok(created(earlier));
    }
    if !refused.is_duplicate_of(store::OPEN.name) {
        return Err(refused.into());
    }
    let own = store::is_holder(&state.orders, body.ticket_id, user.id).await?;
    Err(if own { OrderError::AlreadyHeld } else { OrderError::TicketTaken }.into())
}

fn created(view: OrderView) -> Response {
    let location = [(header::LOCATION, format!("/api/orders/{}", view.id()))];
    (StatusCode::CREATED, etag(view.version()), location, Json(view)).into_response()
}
