//! POST /api/shows/{id}/cancel: cancels a show.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::shows::{Show, ShowCancellation};
use common::error::Error;
use common::id::ShowId;
use common::identity::CurrentUser;
use platform::http::extract::{Body, Id};
use platform::http::versions::etag;

use super::STAFF;
use super::view::to_view;
use crate::flows::spread_show::spread_show;
use crate::state::AppState;

/// Cancel a show, of which nothing can be ordered from then on.
#[utoipa::path(post, path = "/api/shows/{id}/cancel", tag = "shows", request_body = ShowCancellation,
    security(("session" = []), ("sessionOverHttp" = [])), params(("id" = ShowId, Path)),
    responses((status = 200, body = Show)))]
pub(in crate::routes) async fn cancel_show(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<ShowId>,
    Body(ShowCancellation { reason }): Body<ShowCancellation>,
) -> Result<Response, Error> {
    user.require_role(&STAFF)?;
    let (reason, now) = (String::from(reason), state.clock.now());
    let changed = state.shows.update(id, |show| show.state.clone().cancel(reason.clone(), now).map_err(Error::from));
    let changed = changed.await?.ok_or(Error::NotFound)?;
    spread_show(&state, id).await?;
    let show = to_view(&state, changed).await?;
    Ok((etag(show.version), Json(show)).into_response())
}
