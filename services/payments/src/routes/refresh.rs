//! POST /api/payments/{id}/refresh: synchronises a payment with the provider, such as after 3-D Secure.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::payments::Payment;
use common::error::Error;
use common::id::PaymentId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use platform::http::versions::etag;

use crate::flows::sync_payment::{reload, sync_payment};
use crate::state::AppState;
use crate::store;
use crate::view;

/// Synchronise one of your payments with the provider.
#[utoipa::path(post, path = "/api/payments/{id}/refresh", tag = "payments", params(("id" = PaymentId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Payment)))]
pub(super) async fn refresh(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<PaymentId>,
) -> Result<impl IntoResponse, Error> {
    let payment = store::find_of_buyer(&state.payments, id, user.id).await?.ok_or(Error::NotFound)?;
    // A final payment can be shown while the provider is unavailable. Its later changes arrive by webhooks, or by the
    // periodic comparison with the provider's intents.
    if !payment.status_name().is_final() {
        sync_payment(&state, &payment).await?;
    }
    let payment = reload(&state, id).await?;
    Ok((etag(payment.version), Json(view::payment(&payment))))
}
