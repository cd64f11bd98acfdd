//! GET /api/users/jwks.json.

use axum::extract::State;
use axum::response::Response;
use platform::keys::JwkSet;

use crate::state::AppState;

/// Get the public keys for verifying access tokens.
#[utoipa::path(get, path = "/api/users/jwks.json", tag = "users", responses((status = 200, body = JwkSet, description = "The keys.")))]
pub(super) async fn jwks(State(state): State<AppState>) -> Response {
    state.signer.keys.serve()
}
