//! GET /api/orders/to-refund: the completed orders that have to be refunded because their show was cancelled, for the
//! staff.

use axum::Json;
use axum::extract::State;
use common::api::orders::OrderToRefund;
use common::api::page::{Page, PageQuery};
use common::error::Error;
use common::events::payment::PaymentState;
use common::events::show::ShowStatus;
use common::id::OrderId;
use common::identity::{CurrentUser, Role};
use futures::future::try_join_all;
use platform::http::extract::Query;
use platform::store::page::PageRequest;

use super::view;
use crate::state::AppState;
use crate::store;

/// List the completed orders of cancelled shows whose charge was not refunded in full. A page may have fewer items than
/// `limit`, even if another one follows.
#[utoipa::path(get, path = "/api/orders/to-refund", tag = "orders", params(PageQuery),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Page<OrderToRefund>, description = "For finance and operators.")))]
pub(super) async fn to_refund(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OrderToRefund>>, Error> {
    user.require_role(&[Role::Finance, Role::Operator])?;
    let Page { items, next_cursor } = state.refunds_due.page(&PageRequest::from(&query)).await?;
    let items = try_join_all(items.into_iter().map(|id| read(&state, id))).await?;
    Ok(Json(Page { items: items.into_iter().flatten().collect(), next_cursor }))
}

/// The order with its show and its payment; `None` if, according to their present state, no refund is due.
async fn read(state: &AppState, id: OrderId) -> Result<Option<OrderToRefund>, Error> {
    let Some(order) = state.orders.get(id).await? else { return Ok(None) };
    let Some(payment_id) = order.payment_id() else { return Ok(None) };
    let (show, payment) =
        tokio::try_join!(store::find_show(&state.shows, order.show_id), state.payments.get(payment_id))?;
    let Some(show) = show.filter(|show| show.status == ShowStatus::Cancelled) else { return Ok(None) };
    if payment.as_deref().is_some_and(PaymentState::is_refunded) {
        return Ok(None);
    }
    let charged = payment.as_ref().map(|payment| payment.received.as_ref().unwrap_or(&payment.amount).clone());
    Ok(Some(OrderToRefund {
        show_cancel_reason: show.cancel_reason.clone(),
        payment_id,
        provider_ref: payment.as_ref().and_then(|payment| payment.provider_ref.clone()),
        charged: charged.unwrap_or_else(|| order.price.clone()),
        disputed: payment.as_ref().is_some_and(|payment| payment.disputed),
        refunded: payment.and_then(|payment| payment.state.refunded),
        order: view::order(order, Some(&show.state)),
    }))
}
