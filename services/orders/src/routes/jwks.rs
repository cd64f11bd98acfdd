//! GET /api/orders/jwks.json: the public keys that verify passes, the signed codes that let buyers into the venue.

use axum::extract::State;
use axum::response::Response;
use platform::keys::JwkSet;

use crate::state::AppState;

/// Get the public keys that verify passes.
#[utoipa::path(get, path = "/api/orders/jwks.json", tag = "orders", responses((status = 200, body = JwkSet, description = "The keys.")))]
pub(super) async fn jwks(State(state): State<AppState>) -> Response {
    state.pass_signer.serve_keys()
}
