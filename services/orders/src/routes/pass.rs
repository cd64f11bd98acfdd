//! GET /api/orders/{id}/pass: the signed pass.

use axum::Json;
use axum::extract::State;
use common::api::orders::Pass;
use common::error::Error;
use common::id::OrderId;
use common::identity::CurrentUser;
use platform::http::extract::Id;

use crate::domain::reconcile::changed_start;
use crate::state::AppState;
use crate::store;

/// Get the pass of one of your completed orders.
#[utoipa::path(get, path = "/api/orders/{id}/pass", tag = "orders", params(("id" = OrderId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Pass)))]
pub(super) async fn pass(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
) -> Result<Json<Pass>, Error> {
    let order = store::find_of_buyer(&state.orders, id, user.id).await?.ok_or(Error::NotFound)?;
    let pass = state.pass_signer.sign(&order)?;
    let show = store::find_show(&state.shows, order.show_id).await?;
    Ok(Json(Pass {
        pass,
        show_status: show.as_deref().map(|show| show.status),
        current_starts_at: show.as_deref().and_then(|show| changed_start(&order, show)),
    }))
}
