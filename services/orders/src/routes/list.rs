//! GET /api/orders: the buyer's own, newest first.

use axum::Json;
use axum::extract::State as Shared;
use common::error::Error;
use common::identity::CurrentUser;
use platform::http::extract::Query;
use platform::store::page::{Page, PageQuery, PageRequest};

use super::view::OrderView;
use crate::state::State;
use crate::store;

/// List your orders.
#[utoipa::path(get, path = "/api/orders", tag = "orders", params(PageQuery),
    responses((status = 200, body = Page<OrderView>)))]
pub(super) async fn list(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OrderView>>, Error> {
    let page = PageRequest::try_from(&query)?;
    let found = store::page_of(&state.orders, user.id, &page).await?;
    Ok(Json(found.map(OrderView::from)))
}
