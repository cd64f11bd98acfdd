//! GET /api/orders/jwks.json: the public keys of passes.

use axum::extract::State;
use axum::response::Response;
use platform::keys::JwkSet;

use crate::state::AppState;

/// The public keys by which anybody can verify a pass.
#[utoipa::path(get, path = "/api/orders/jwks.json", tag = "orders", responses((status = 200, body = JwkSet, description = "The keys.")))]
pub(super) async fn jwks(State(state): State<AppState>) -> Response {
    state.passes.serve_keys()
}
