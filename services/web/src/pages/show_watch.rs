//! POST /shows/{show}/watch and /unwatch: the commands of the panel on the page of a show.
//!
//! # Why
//! A watch needs an account. A guest's form becomes a path, the page to go to after sign-in, as in
//! [`hold_intention`](super::hold_intention): `after_sign_in` then stores the watch.

use axum::extract::{Path, State};
use axum::response::Response;
use common::error::Error;
use common::id::{ShowId, UserId};
use common::timestamp::Timestamp;
use http::StatusCode;
use validator::Validate;

use super::layout::see_other;
use super::show;
use crate::domain::show_view::{ShowView, id_in_path, show_path};
use crate::domain::show_watch::{MAX_SHOW_WATCHES, ShowWatch, WatchForm, is_open};
use crate::flows::find_show::find_show;
use crate::flows::find_show_watches::find_show_watches;
use crate::forms::ValidForm;
use crate::i18n::msg;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::store::model::Replicas;
use crate::viewer::Viewer;

/// Watch the show, or change up to which price.
#[utoipa::path(post, path = "/shows/{show}/watch", tag = "pages",
    params(("show" = String, Path, description = "Words and the show's id; the id decides.")),
    responses((status = 303, description = "Watched."), (status = 400, body = String, content_type = "text/html"),
        (status = 409, body = String, content_type = "text/html")))]
pub(super) async fn watch(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(segment): Path<String>,
    ValidForm(form): ValidForm<WatchForm>,
) -> Result<Response, PageError> {
    place_watch(&state, &viewer, id_in_path(&segment).ok_or(Error::NotFound)?, form).await
}

/// Stores the viewer's watch of the show, or of the one that it was merged into; a guest signs in first.
pub(super) async fn place_watch(
    state: &AppState,
    viewer: &Viewer,
    id: ShowId,
    form: WatchForm,
) -> Result<Response, PageError> {
    let Some(user) = viewer.id() else { return Ok(sign_in_first(id, &form)) };
    let (found, now) = (find_show(state, id).await?, state.clock.now());
    if !ShowView::new(&found, now).is_open() {
        // Its page says why there is nothing to watch.
        return Ok(see_other(&show_path(&found.show)));
    }
    let max = match form.max_price() {
        Ok(max) => max,
        Err(message) => {
            return Ok(show::reject_watch(state, viewer, &found, StatusCode::BAD_REQUEST, (form, message)).await?);
        }
    };
    let (model, present) = (state.model.live().await?, found.show.id);
    let former = find_show_watches(state, &model, user, present).await?;
    if former.is_empty() && !has_room(state, &model, user, now).await? {
        let message = msg::show_watch_too_many(MAX_SHOW_WATCHES);
        return Ok(show::reject_watch(state, viewer, &found, StatusCode::CONFLICT, (form, message)).await?);
    }
    let since = former.iter().map(|watch| watch.since).min().unwrap_or(now);
    state.show_watches.put(user, &ShowWatch { show: present, since, max }).await?;
    let merged: Vec<_> = former.iter().map(|watch| watch.show).filter(|show| *show != present).collect();
    state.show_watches.remove(user, merged).await?;
    Ok(see_other(&format!("{}#watch", show_path(&found.show))))
}

/// Whether the user may watch another show. If there are too many watches, those of shows without news end.
async fn has_room(state: &AppState, model: &Replicas, user: UserId, now: Timestamp) -> Result<bool, Error> {
    let watches = state.show_watches.of(user).await?;
    if watches.len() < usize::from(MAX_SHOW_WATCHES) {
        return Ok(true);
    }
    let mut shows = lists::shows_by_ids(&model.shows, watches.iter().map(|watch| watch.show)).await?;
    shows.retain(|_, show| !is_open(show, now));
    let has_room = !shows.is_empty();
    state.show_watches.remove(user, shows.into_keys()).await?;
    Ok(has_room)
}

/// Stop watching the show.
#[utoipa::path(post, path = "/shows/{show}/unwatch", tag = "pages",
    params(("show" = String, Path, description = "Words and the show's id; the id decides.")),
    responses((status = 303, description = "Not watched.")))]
pub(super) async fn unwatch(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(segment): Path<String>,
) -> Result<Response, PageError> {
    let id = id_in_path(&segment).ok_or(Error::NotFound)?;
    let Some(user) = viewer.id() else { return Ok(see_other(&format!("/signin?next=/shows/{id}"))) };
    let found = find_show(&state, id).await?;
    let watches = find_show_watches(&state, &state.model.live().await?, user, found.show.id).await?;
    state.show_watches.remove(user, watches.iter().map(|watch| watch.show)).await?;
    Ok(see_other(&show_path(&found.show)))
}

/// Sends a guest to the sign-in form, after which the watch is stored.
fn sign_in_first(show: ShowId, form: &WatchForm) -> Response {
    let path = format!("/shows/{show}/watch?{}", serde_urlencoded::to_string(form).unwrap_or_default());
    let query = serde_urlencoded::to_string([("next", path)]).unwrap_or_default();
    see_other(&format!("/signin?{query}"))
}

/// The watch that a path stands for.
pub(super) fn parse(next: &str) -> Option<(ShowId, WatchForm)> {
    let (path, query) = next.split_once('?').unwrap_or((next, ""));
    let show = path.strip_prefix("/shows/")?.strip_suffix("/watch")?.parse().ok()?;
    let form: WatchForm = serde_urlencoded::from_str(query).ok()?;
    form.validate().ok()?;
    Some((show, form))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;
    use crate::domain::form::safe_redirect_path;

    #[test]
    fn watch_survives_the_way_through_the_forms() {
        let show = ShowId::new();
        let form = WatchForm { max: "€60".to_owned(), currency: "EUR".to_owned() };
        let response = sign_in_first(show, &form);
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        let query: Vec<(String, String)> =
            serde_urlencoded::from_str(location.strip_prefix("/signin?").unwrap()).unwrap();
        let (name, next) = &query[0];
        assert_eq!((query.len(), name.as_str()), (1, "next"));
        assert_eq!(safe_redirect_path(next), next, "it is a path of this site");
        assert_eq!(parse(next), Some((show, form)));
        let long = format!("/shows/{show}/watch?max={}", "9".repeat(41));
        for other in ["/", "/shows/1/watch?max=1", &format!("/shows/{show}"), &long] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
