//! GET /api/users/jwks.json: the public keys of access tokens.

use axum::extract::State;
use axum::response::Response;
use platform::keys::JwkSet;

use crate::state::AppState;

/// The public keys by which anybody can verify an access token.
#[utoipa::path(get, path = "/api/users/jwks.json", tag = "users", responses((status = 200, body = JwkSet, description = "The keys.")))]
pub(super) async fn jwks(State(state): State<AppState>) -> Response {
    state.keys.serve()
}
