//! GET /api/orders/to-refund: what has to be given back because a show was cancelled, for the staff.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use common::aggregate::Versioned;
use common::api::orders::OrderToRefund;
use common::api::page::{Page, PageQuery};
use common::error::Error;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::id::ShowId;
use common::identity::{CurrentUser, Role};
use futures::future::try_join_all;
use platform::http::extract::Query;
use platform::store::page::PageRequest;

use super::view;
use crate::domain::order::Order;
use crate::state::AppState;
use crate::store;

/// List the completed orders of cancelled shows whose charge was not refunded in full.
#[utoipa::path(get, path = "/api/orders/to-refund", tag = "orders", params(PageQuery),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Page<OrderToRefund>, description = "For finance and operators.")))]
pub(super) async fn to_refund(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OrderToRefund>>, Error> {
    user.require_role(&[Role::Finance, Role::Operator])?;
    let shows = store::cancelled_shows(&state.shows).await?;
    let mut request = PageRequest::from(&query);
    loop {
        let found = store::page_of_completed(&state.orders, shows.keys().copied(), &request).await?;
        let items = found.items.into_iter().map(|order| unless_refunded(&state, &shows, order));
        let items: Vec<_> = try_join_all(items).await?.into_iter().flatten().collect();
        match found.next_cursor {
            // All of these have been refunded; older ones may not.
            Some(cursor) if items.is_empty() => request.before = Some(cursor.id()),
            next_cursor => return Ok(Json(Page { items, next_cursor })),
        }
    }
}

/// The order with what is known of its payment; `None` if the payment was refunded in full.
async fn unless_refunded(
    state: &AppState,
    shows: &BTreeMap<ShowId, ShowState>,
    order: Versioned<Order>,
) -> Result<Option<OrderToRefund>, Error> {
    let Some(payment_id) = order.payment_id() else { return Ok(None) };
    let payment = state.payments.get(payment_id).await?.map(|payment| payment.state);
    if payment.as_ref().is_some_and(PaymentState::is_refunded) {
        return Ok(None);
    }
    let show = shows.get(&order.show_id);
    let charged = payment.as_ref().map(|payment| payment.received.as_ref().unwrap_or(&payment.amount).clone());
    Ok(Some(OrderToRefund {
        show_cancel_reason: show.and_then(|show| show.cancel_reason.clone()),
        payment_id,
        provider_ref: payment.as_ref().and_then(|payment| payment.provider_ref.clone()),
        charged: charged.unwrap_or_else(|| order.price.clone()),
        refunded: payment.and_then(|payment| payment.refunded),
        order: view::order(order, show),
    }))
}
