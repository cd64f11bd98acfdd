//! GET /api/orders: the buyer's orders, newest first.

use axum::Json;
use axum::extract::State;
use common::api::orders::Order;
use common::api::page::{Page, PageQuery};
use common::error::Error;
use common::identity::CurrentUser;
use platform::http::extract::Query;
use platform::store::page::PageRequest;

use super::view;
use crate::state::AppState;
use crate::store;

/// List your orders.
#[utoipa::path(get, path = "/api/orders", tag = "orders", params(PageQuery),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Page<Order>)))]
pub(super) async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Order>>, Error> {
    let page = PageRequest::from(&query);
    let found = store::page_by_buyer(&state.orders, user.id, &page).await?;
    let shows = store::find_shows(&state.shows, found.items.iter().map(|order| order.show_id)).await?;
    Ok(Json(found.map(|order| {
        let show = shows.get(&order.show_id).map(|show| &show.state);
        view::order(order, show)
    })))
}
