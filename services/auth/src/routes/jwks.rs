//! GET /api/users/jwks.json: the public keys of access tokens.

use axum::extract::State as Shared;
use axum::response::IntoResponse;
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;

/// A JWK set (RFC 7517); the keys themselves are ready-made JSON, this describes them.
#[derive(Serialize, ToSchema)]
pub(super) struct JwkSet {
    /// Ed25519 public keys, the one that signs first.
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// The public keys by which anybody can verify an access token.
#[utoipa::path(get, path = "/api/users/jwks.json", tag = "users", responses((status = 200, body = JwkSet, description = "The keys.")))]
pub(super) async fn jwks(Shared(state): Shared<State>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, state.keys.jwks().to_owned())
}
