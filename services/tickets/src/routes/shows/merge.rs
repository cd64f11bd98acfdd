//! POST /api/shows/{id}/merge: makes a show the same as another one.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::shows::{self, ShowMerge};
use common::error::Error;
use common::id::ShowId;
use common::identity::CurrentUser;
use platform::http::extract::{Body, Id};
use platform::http::versions::etag;
use platform::reconcile::{Progress, advance};

use super::STAFF;
use super::view::to_view;
use crate::domain::show::Show;
use crate::flows::spread_show::spread_show;
use crate::state::AppState;

/// Merge a show into another one, to which its tickets belong from then on.
#[utoipa::path(post, path = "/api/shows/{id}/merge", tag = "shows", request_body = ShowMerge,
    security(("session" = []), ("sessionOverHttp" = [])), params(("id" = ShowId, Path)),
    responses((status = 200, body = shows::Show, description = "The show that was merged.")))]
pub(in crate::routes) async fn merge_show(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<ShowId>,
    Body(ShowMerge { into }): Body<ShowMerge>,
) -> Result<Response, Error> {
    user.require_role(&STAFF)?;
    if id == into {
        return Err(Error::field("into", "must be another show"));
    }
    let merged = loop {
        if let Some(merged) = try_merge(&state, id, into).await? {
            break merged;
        }
    };
    spread_show(&state, id).await?;
    let show = to_view(&state, merged).await?;
    Ok((etag(show.version), Json(show)).into_response())
}

/// Merges the show into the other one. `None` if another writer changed one of them meanwhile.
async fn try_merge(state: &AppState, id: ShowId, into: ShowId) -> Result<Option<Versioned<Show>>, Error> {
    let show = state.shows.get(id).await?.ok_or(Error::NotFound)?;
    if show.merged_into == Some(into) {
        return Ok(Some(show));
    }
    let other = state.shows.get(into).await?.ok_or_else(|| Error::field("into", "must be the id of a show"))?;
    let now = state.clock.now();
    let merge = show.state.clone().merge(into, now)?;
    let absorb = other.state.clone().absorb(&show.state, now)?;
    match advance(&state.shows, &other, absorb).await? {
        Progress::Saved(_) => {}
        Progress::Lost | Progress::Unchanged => return Ok(None),
    }
    match advance(&state.shows, &show, merge).await? {
        Progress::Saved(merged) => Ok(Some(merged)),
        Progress::Lost | Progress::Unchanged => Ok(None),
    }
}
