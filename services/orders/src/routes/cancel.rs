//! DELETE /api/orders/{id}: the buyer gives the ticket up.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use common::error::Error;
use common::id::OrderId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use platform::http::versions::{IfMatch, etag};
use platform::store::error::StoreError;

use super::view::OrderView;
use crate::flows::reconcile_order::reconcile_order;
use crate::state::State;
use crate::store;

/// Cancel one of your orders.
#[utoipa::path(delete, path = "/api/orders/{id}", tag = "orders",
    params(("id" = OrderId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must still hold.")),
    responses((status = 200, body = OrderView)))]
pub(super) async fn cancel(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
    when: IfMatch,
) -> Result<impl IntoResponse, Error> {
    loop {
        let order = store::find_owned(&state.orders, id, user.id).await?.ok_or(Error::NotFound)?;
        when.check(order.version)?;
        let (next, change) = order.state.clone().cancel(state.clock.now())?;
        match state.orders.save(&order, next, change).await {
            Ok(cancelled) => {
                reconcile_order(&state, id).await?;
                return Ok((etag(cancelled.version), Json(OrderView::from(cancelled))));
            }
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
