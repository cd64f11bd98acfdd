//! GET /api/payments/{id}: returns a payment to its buyer.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::payments::Payment;
use common::error::Error;
use common::id::PaymentId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use platform::http::versions::etag;

use crate::state::AppState;
use crate::store;
use crate::view;

/// Get one of your payments.
#[utoipa::path(get, path = "/api/payments/{id}", tag = "payments", params(("id" = PaymentId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Payment)))]
pub(super) async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<PaymentId>,
) -> Result<impl IntoResponse, Error> {
    let payment = store::find_of_buyer(&state.payments, id, user.id).await?.ok_or(Error::NotFound)?;
    Ok((etag(payment.version), Json(view::payment(&payment))))
}
