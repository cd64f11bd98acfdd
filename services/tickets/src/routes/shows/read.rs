//! GET /api/shows/{id}.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::shows::Show;
use common::error::Error;
use common::id::ShowId;
use platform::http::extract::Id;
use platform::http::versions::etag;

use super::view::to_view;
use crate::state::AppState;

/// Get a show. One that was merged names the show that remains.
#[utoipa::path(get, path = "/api/shows/{id}", tag = "shows", params(("id" = ShowId, Path)),
    responses((status = 200, body = Show)))]
pub(in crate::routes) async fn read_show(State(state): State<AppState>, Id(id): Id<ShowId>) -> Result<Response, Error> {
    let show = state.shows.get(id).await?.ok_or(Error::NotFound)?;
    let show = to_view(&state, show).await?;
    Ok((etag(show.version), Json(show)).into_response())
}
