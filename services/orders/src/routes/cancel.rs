//! DELETE /api/orders/{id}: the buyer cancels an unpaid order.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::orders::Order;
use common::error::Error;
use common::id::OrderId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use platform::http::versions::{IfMatch, etag};
use platform::reconcile::Current;

use super::view;
use crate::flows::reconcile_order::{Seen, reconcile_order};
use crate::state::AppState;

/// Cancel one of your orders.
#[utoipa::path(delete, path = "/api/orders/{id}", tag = "orders",
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("id" = OrderId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must still hold.")),
    responses((status = 200, body = Order)))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
    if_match: IfMatch,
) -> Result<impl IntoResponse, Error> {
    let cancelled = state.orders.update(id, |order| {
        if order.buyer_id != user.id {
            return Err(Error::NotFound);
        }
        if_match.check(order.version)?;
        Ok(order.state.clone().cancel(state.clock.now())?)
    });
    let cancelled = cancelled.await?.ok_or(Error::NotFound)?;
    reconcile_order(&state, id, Current::from(cancelled.clone()), Seen::default()).await?;
    Ok((etag(cancelled.version), Json(view::order(cancelled, None))))
}
