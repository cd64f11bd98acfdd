//! POST /api/payments/{id}/refresh: looked up anew at the provider, after 3-D Secure.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use common::api::payments::Payment;
use common::error::Error;
use common::id::PaymentId;
use common::identity::CurrentUser;
use platform::http::extract::Id;
use platform::http::versions::etag;

use crate::flows::look_up_payment::{look_up_payment, present};
use crate::state::AppState;
use crate::store;
use crate::view;

/// Look a payment of one's own up at the provider.
#[utoipa::path(post, path = "/api/payments/{id}/refresh", tag = "payments", params(("id" = PaymentId, Path)),
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = Payment)))]
pub(super) async fn refresh(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<PaymentId>,
) -> Result<impl IntoResponse, Error> {
    let payment = store::find_owned(&state.payments, id, user.id).await?.ok_or(Error::NotFound)?;
    // What is over is the buyer's to see also while the provider is away; its own news come by webhook and sweep.
    if !payment.status_name().is_final() {
        look_up_payment(&state, &payment).await?;
    }
    let payment = present(&state, id).await?;
    Ok((etag(payment.version), Json(view::payment(&payment))))
}
