//! GET /notifications, GET /notifications/bell, POST /notifications/read.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use common::api::tickets::ListingRules;
use common::error::Error;
use common::timestamp::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use crate::domain::form::Faults;
use crate::domain::notice::Notice;
use crate::flows::notices;
use crate::forms::{Fields, Posted};
use crate::state::AppState;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    layout: Layout,
    notices: Vec<Notice>,
    /// How many of them are new; the first ones.
    count: usize,
}

layout::page!(NotificationsPage);

/// The bell of the header.
#[derive(Template)]
#[template(path = "bell.html")]
struct Bell<'a> {
    unread: &'a usize,
}

/// What the viewer should know.
#[utoipa::path(get, path = "/notifications", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn notifications(State(state): State<AppState>, viewer: Viewer) -> Result<Response, Failure> {
    let user = viewer.id().ok_or_else(|| Failure::SignIn("/notifications".to_owned()))?;
    let (notices, unread) = notices::notices(&state, &state.model.live().await?, user).await?;
    let layout = Layout::new("Notifications", "What happened to your tickets and orders.", &viewer);
    Ok(layout::respond(StatusCode::OK, &NotificationsPage { layout, notices, count: unread })?)
}

/// The bell alone, which pages take anew when something has happened.
#[utoipa::path(get, path = "/notifications/bell", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn bell(viewer: Viewer) -> Result<Response, Failure> {
    let Viewer::User { unread, .. } = &viewer else { return Err(Error::unauthenticated().into()) };
    let html = Bell { unread }.render().map_err(Error::internal)?;
    Ok(Html(html).into_response())
}

/// Up to which one they are seen.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Seen {
    /// When the latest of those became so that the page showed.
    until: Timestamp,
}

impl Fields for Seen {
    /// No service is asked.
    type Request = ();

    fn request(&self, _: &ListingRules) -> Result<(), Faults> {
        Ok(())
    }
}

/// All that the page showed are seen.
#[utoipa::path(post, path = "/notifications/read", tag = "pages", responses((status = 303, description = "Noted.")))]
pub(super) async fn read(
    State(state): State<AppState>,
    viewer: Viewer,
    Posted { form: seen, .. }: Posted<Seen>,
) -> Result<Response, Failure> {
    let user = viewer.id().ok_or_else(|| Failure::SignIn("/notifications".to_owned()))?;
    state.own.mark_read(user, seen.until).await?;
    Ok(see_other("/notifications"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_show_what_they_are_given() {
        let notice = |text: &str| Notice {
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            text: text.to_owned(),
            link: "/orders/1".to_owned(),
        };
        let page = |notices, unread| {
            let layout = Layout::new("Notifications", "About", &Viewer::Guest);
            NotificationsPage { layout, notices, count: unread }.render().unwrap()
        };
        let html = page(vec![notice("Sold: <b>Jazz</b>."), notice("Paid.")], 1);
        for part in
            ["Sold: &#60;b&#62;Jazz", "href=\"/orders/1\"", "Mark all as read", "Thursday, 1 January 2026, 10:00 UTC"]
        {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("unread").count(), 1, "{html}");
        assert!(!page(vec![notice("Paid.")], 0).contains("Mark all as read"));
        assert!(page(Vec::new(), 0).contains("Nothing has happened yet"));
        assert!(Bell { unread: &2 }.render().unwrap().contains("aria-label=\"Notifications, 2 unread\""));
        assert!(Bell { unread: &0 }.render().unwrap().contains("aria-label=\"Notifications\""));
    }
}
