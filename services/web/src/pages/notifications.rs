//! GET /notifications, POST /notifications/read; GET /notifications/bell and /notifications/hold, which update the top
//! of an open page.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use common::error::Error;
use common::timestamp::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::layout::{self, Layout, see_other};
use crate::domain::notification::Notification;
use crate::domain::open_hold::OpenHold;
use crate::flows::collect_notifications::{News, collect_notifications};
use crate::forms::ValidForm;
use crate::i18n::msg;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    layout: Layout,
    notifications: Vec<Notification>,
    /// Number of unread notifications, which come first.
    unread: usize,
}

#[derive(Template)]
#[template(path = "bell.html")]
struct Bell<'a> {
    unread: &'a usize,
}

/// Show the notifications.
#[utoipa::path(get, path = "/notifications", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn notifications(State(state): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    let user = viewer.require_user("/notifications")?;
    let News { notifications, unread, .. } = collect_notifications(&state, &state.model.live().await?, user).await?;
    let layout = Layout::new(msg::notification_title(), msg::notification_description(), &viewer);
    let page = NotificationsPage { layout, notifications, unread };
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

/// The header's bell, which pages reload when there may be a new notification.
#[utoipa::path(get, path = "/notifications/bell", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn bell(viewer: Viewer) -> Result<Response, PageError> {
    let Viewer::User { unread, .. } = &viewer else { return Err(Error::unauthenticated().into()) };
    let html = Bell { unread }.render().map_err(Error::internal)?;
    Ok(Html(html).into_response())
}

#[derive(Template)]
#[template(path = "hold.html")]
struct HoldBar<'a> {
    hold: &'a OpenHold,
}

/// The bar with the viewer's hold, which pages reload with the bell; empty when no hold is open any more.
#[utoipa::path(get, path = "/notifications/hold", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn hold(viewer: Viewer) -> Result<Response, PageError> {
    let Viewer::User { hold, .. } = &viewer else { return Err(Error::unauthenticated().into()) };
    let html = hold.as_ref().map(|hold| HoldBar { hold }.render()).transpose().map_err(Error::internal)?;
    Ok(Html(html.unwrap_or_default()).into_response())
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(super) struct MarkReadForm {
    /// Time of the newest notification on the page.
    until: Timestamp,
}

/// Mark the notifications shown on the page as read.
#[utoipa::path(post, path = "/notifications/read", tag = "pages", responses((status = 303, description = "Marked as read.")))]
pub(super) async fn mark_read(
    State(state): State<AppState>,
    viewer: Viewer,
    ValidForm(form): ValidForm<MarkReadForm>,
) -> Result<Response, PageError> {
    let user = viewer.require_user("/notifications")?;
    state.user_data.mark_read(user, form.until).await?;
    Ok(see_other("/notifications"))
}

#[cfg(test)]
mod tests {
    use common::id::OrderId;

    use super::*;
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn templates_show_their_values() {
        let notification = |text: &str| Notification {
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            text: text.to_owned(),
            link: "/orders/1".to_owned(),
        };
        let page = |notifications, unread| {
            let layout = Layout::new("Notifications", "About", &Viewer::Guest);
            NotificationsPage { layout, notifications, unread }.render().unwrap()
        };
        let html = page(vec![notification("Sold: <b>Jazz</b>."), notification("Paid.")], 1);
        for part in [
            "Sold: &#60;b&#62;Jazz",
            "href=\"/orders/1\"",
            "Mark all as read",
            "Thu, Jan 1, 2026, 10:00\u{a0}AM\u{a0}UTC",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("unread").count(), 1, "{html}");
        assert!(!page(vec![notification("Paid.")], 0).contains("Mark all as read"));
        assert!(page(Vec::new(), 0).contains("No notifications yet"));
        assert!(Bell { unread: &2 }.render().unwrap().contains("aria-label=\"Notifications, 2 unread\""));
        let hold = OpenHold { order: OrderId::new(), title: "<i>Jazz</i>".to_owned(), left: 753, others: 2 };
        let html = HoldBar { hold: &hold }.render().unwrap();
        for part in [
            "Held for you <time data-countdown data-left=\"753\">12:33</time>",
            &format!("href=\"/checkout/{}\" aria-label=\"Pay for &#60;i&#62;Jazz", hold.order),
            ">2 more<",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!HoldBar { hold: &OpenHold { others: 0, ..hold } }.render().unwrap().contains("more<"));
        assert!(Bell { unread: &0 }.render().unwrap().contains("aria-label=\"Notifications\""));
    }

    #[test]
    fn german_templates_have_no_english_texts() {
        let notification = Notification {
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            text: "Bezahlt.".to_owned(),
            link: "/orders/1".to_owned(),
        };
        let hold = OpenHold { order: OrderId::new(), title: "Jazz".to_owned(), left: 753, others: 2 };
        let page = |notifications: Vec<Notification>, unread| {
            let layout = Layout::new(msg::notification_title(), msg::notification_description(), &Viewer::Guest);
            NotificationsPage { layout, notifications, unread }.render().unwrap()
        };
        let html = in_german(|| {
            let pages = page(vec![notification], 1) + &page(Vec::new(), 0);
            let bells = [0, 1234].map(|unread| Bell { unread: &unread }.render().unwrap()).concat();
            pages + &bells + &HoldBar { hold: &hold }.render().unwrap()
        });
        assert_texts(
            &html,
            &[
                "<h1>Benachrichtigungen</h1>",
                "Alle als gelesen markieren",
                "Noch keine Benachrichtigungen.",
                "aria-label=\"Benachrichtigungen\"",
                "aria-label=\"Benachrichtigungen, 1.234 ungelesen\"",
                "Für dich reserviert <time data-countdown data-left=\"753\">12:33</time>",
                "aria-label=\"Jazz bezahlen\">Bezahlen</a>",
                ">2 weitere<",
            ],
            ["Notifications", "Mark all", "No notif", "Your ", "Held for", ">Pay", "more<"],
        );
    }
}
