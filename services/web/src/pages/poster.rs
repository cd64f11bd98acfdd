//! GET /posters/{name}: the poster of a show, drawn from what its address says.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::header;

use crate::domain::poster::{self, Poster};

/// GET /posters/{name}.
pub(super) async fn poster(Path(name): Path<String>) -> Result<Response, Error> {
    let Poster { show, category, is_current } = poster::parse(&name).ok_or(Error::NotFound)?;
    // During a rollout a page of another version may request its own picture. This version's is better than none, but
    // must not be cached under that path.
    let cache_control = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, cache_control)];
    Ok((headers, poster::draw(show, category)).into_response())
}
