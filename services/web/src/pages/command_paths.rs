//! GET on the paths of commands, which change nothing: they lead to the page that has the command.
//!
//! # Why
//! A command that fails responds with a page, whose address is the command's. A browser that restores the tab, or a
//! user who enters that address, requests it without the form.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::Uri;

use super::layout::see_other;
use crate::state::AppState;

/// The paths that have no page of their own.
const COMMANDS: [&str; 11] = [
    "/tickets/{id}/hold",
    "/tickets/{id}/watch",
    "/tickets/{id}/unwatch",
    "/tickets/{id}/withdraw",
    "/shows/{show}/watch",
    "/shows/{show}/unwatch",
    "/orders/{id}/cancel",
    "/account/password",
    "/account/sessions/{id}/revoke",
    "/notifications/read",
    "/signout",
];

/// Adds a redirect to each path, alongside the command.
pub(super) fn with_redirects(routes: Router<AppState>) -> Router<AppState> {
    COMMANDS.into_iter().fold(routes, |routes, path| routes.route(path, get(redirect)))
}

async fn redirect(uri: Uri) -> Response {
    see_other(page_of(uri.path()))
}

/// The path of the page that has the command of this path.
fn page_of(command: &str) -> &str {
    let (page, _) = command.rsplit_once('/').unwrap_or_default();
    match page {
        "" => "/",
        page if page.starts_with("/account/") => "/account",
        page => page,
    }
}
