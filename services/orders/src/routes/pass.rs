//! GET /api/orders/{id}/pass: what lets the buyer in.

use axum::Json;
use axum::extract::State as Shared;
use common::error::Error;
use common::id::OrderId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;
use crate::store;

/// What is shown at the entrance.
#[derive(Serialize, ToSchema)]
#[schema(as = Pass)]
pub(super) struct PassView {
    /// A compact JWS (`EdDSA`, `typ` ticket-pass+jwt) for a QR code, verified by the keys at
    /// `/api/orders/jwks.json`: `iss` the marketplace, `aud` admission, `sub` the order, `iat` when it
    /// was completed, `tid` the ticket, `title`, `venue`, `start`, and `sec`, `row`, `seat` where there
    /// are such. Times are seconds since the Unix epoch; long texts are cut.
    pass: String,
}

/// The pass of one of your completed orders.
#[utoipa::path(get, path = "/api/orders/{id}/pass", tag = "orders", params(("id" = OrderId, Path)),
    responses((status = 200, body = PassView)))]
pub(super) async fn pass(
    Shared(state): Shared<State>,
    user: CurrentUser,
    Id(id): Id<OrderId>,
) -> Result<Json<PassView>, Error> {
    let order = store::find_owned(&state.orders, id, user.id).await?.ok_or(Error::NotFound)?;
    Ok(Json(PassView { pass: state.passes.sign(&order)? }))
}
