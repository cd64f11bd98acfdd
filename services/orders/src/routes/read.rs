//! GET /api/orders/{id}.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::orders::Order;
use common::error::Error;
use common::id::OrderId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use platform::http::versions::etag;

use super::view;
use crate::state::AppState;
use crate::store;

/// Get one of your orders.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "orders", params(("id" = OrderId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Order)))]
pub(super) async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
) -> Result<impl IntoResponse, Error> {
    let order = store::find_of_buyer(&state.orders, id, user.id).await?.ok_or(Error::NotFound)?;
    let show = store::find_show(&state.shows, order.show_id).await?;
    Ok((etag(order.version), Json(view::order(order, show.as_deref()))))
}
