//! GET /api/orders/{id}/pass and GET /api/orders/{id}/passes: the signed passes, one for each seat.

use axum::Json;
use axum::extract::State;
use common::api::orders::{Pass, Passes};
use common::error::Error;
use common::id::{OrderId, UserId};
use common::identity::CurrentUser;
use platform::http::extract::Id;

use crate::domain::order::OrderError;
use crate::domain::reconcile::changed_start;
use crate::state::AppState;
use crate::store;

/// Get the pass of one of your completed orders of one seat.
#[utoipa::path(get, path = "/api/orders/{id}/pass", tag = "orders", params(("id" = OrderId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Pass)))]
pub(super) async fn pass(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
) -> Result<Json<Pass>, Error> {
    let passes: [Pass; 1] =
        find_passes(&state, user.id, id).await?.try_into().map_err(|_| Error::from(OrderError::SeveralPasses))?;
    let [pass] = passes;
    Ok(Json(pass))
}

/// Get the passes of one of your completed orders.
#[utoipa::path(get, path = "/api/orders/{id}/passes", tag = "orders", params(("id" = OrderId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Passes)))]
pub(super) async fn passes(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
) -> Result<Json<Passes>, Error> {
    Ok(Json(Passes { items: find_passes(&state, user.id, id).await? }))
}

async fn find_passes(state: &AppState, user: UserId, id: OrderId) -> Result<Vec<Pass>, Error> {
    let order = store::find_of_buyer(&state.orders, id, user).await?.ok_or(Error::NotFound)?;
    let signed = state.pass_signer.sign(&order)?;
    let show = store::find_show(&state.shows, order.show_id).await?;
    let show_status = show.as_deref().map(|show| show.status);
    let current_starts_at = show.as_deref().and_then(|show| changed_start(&order, show));
    let seats = order.slots.iter().copied().zip(order.seats.iter().cloned());
    let passes = signed.into_iter().zip(seats);
    Ok(passes.map(|(pass, (slot, seat))| Pass { pass, slot, seat, show_status, current_starts_at }).collect())
}
