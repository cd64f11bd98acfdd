//! PUT /api/shows/{id}: corrects or moves a show.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::shows::{Show, ShowUpdate};
use common::error::Error;
use common::id::ShowId;
use common::identity::CurrentUser;
use common::text::Text;
use common::validate;
use platform::http::extract::{Body, Id};
use platform::http::versions::{IfMatch, etag};

use super::STAFF;
use super::view::to_view;
use crate::domain::show::ShowDetails;
use crate::flows::join_show::surviving_show;
use crate::flows::spread_show::spread_show;
use crate::state::AppState;

/// Replace a show.
#[utoipa::path(put, path = "/api/shows/{id}", tag = "shows", request_body = ShowUpdate,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("id" = ShowId, Path), ("If-Match" = Option<String>, Header, description = "ETag that must match.")),
    responses((status = 200, body = Show)))]
pub(in crate::routes) async fn replace_show(
    State(state): State<AppState>,
    user: CurrentUser,
    Id(id): Id<ShowId>,
    if_match: IfMatch,
    Body(body): Body<ShowUpdate>,
) -> Result<Response, Error> {
    user.require_role(&STAFF)?;
    let (details, now) = (to_details(body), state.clock.now());
    let show = state.shows.get(id).await?.ok_or(Error::NotFound)?;
    if_match.check(show.version)?;
    // The names of a merged show mean the one that remains, which is no reason to merge it again.
    show.ensure_live()?;
    ensure_name_is_free(&state, id, &details).await?;
    let changed = state.shows.update(id, |show| {
        if_match.check(show.version)?;
        show.state.clone().revise(details.clone(), now).map_err(Error::from)
    });
    let changed = changed.await?.ok_or(Error::NotFound)?;
    spread_show(&state, id).await?;
    let show = to_view(&state, changed).await?;
    Ok((etag(show.version), Json(show)).into_response())
}

/// What the staff enters takes precedence over the table of cities.
fn to_details(body: ShowUpdate) -> ShowDetails {
    let text = |text: Option<Text>| text.map(String::from);
    let (country, time_zone) = (text(body.country), body.time_zone.and_then(|name| validate::time_zone(&name)));
    let details = ShowDetails {
        title: body.title.into(),
        venue: body.venue.into(),
        city: text(body.city),
        country: None,
        starts_at: body.starts_at,
        ends_at: body.ends_at,
        time_zone: time_zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        category: body.category,
    };
    let located = details.located();
    ShowDetails {
        country: country.or(located.country.clone()),
        time_zone: time_zone.unwrap_or_else(|| located.time_zone.clone()),
        ..located
    }
}

/// Fails if the new name means another show: then the two are to be merged.
async fn ensure_name_is_free(state: &AppState, id: ShowId, details: &ShowDetails) -> Result<(), Error> {
    let Some(named) = state.show_names.find(&details.name()).await? else { return Ok(()) };
    match surviving_show(state, named.show_id).await? {
        Some(other) if other.id != id => {
            let detail = format!("Another show has this title, place and time. Merge this show into {}.", other.id);
            Err(Error::conflict("show-exists", detail))
        }
        _ => Ok(()),
    }
}
