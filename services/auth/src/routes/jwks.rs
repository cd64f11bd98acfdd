//! GET /api/users/jwks.json: the public keys of access tokens.

use axum::extract::State as Shared;
use axum::response::Response;
use platform::keys::JwkSet;

use crate::state::State;

/// The public keys by which anybody can verify an access token.
#[utoipa::path(get, path = "/api/users/jwks.json", tag = "users", responses((status = 200, body = JwkSet, description = "The keys.")))]
pub(super) async fn jwks(Shared(state): Shared<State>) -> Response {
    state.keys.serve()
}
