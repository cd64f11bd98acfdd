//! Where a user goes after sign-in or sign-up: to the page that asked for it, or on with the hold or the watch that a
//! guest wanted.

use axum::response::{IntoResponse, Response};
use common::id::UserId;
use http::HeaderValue;

use super::layout::see_other;
use super::{hold_intention, show_watch, ticket, ticket_watch};
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::form::safe_redirect_path;
use crate::state::AppState;
use crate::viewer::Viewer;

/// Whether this path stands for a command, which is carried out after sign-in.
pub(super) fn is_command(next: &str) -> bool {
    hold_intention::is_intended(next) || show_watch::parse(next).is_some() || ticket_watch::parse(next).is_some()
}

/// Leads to `next`, or does what it stands for with the new session: hold a ticket, watch a ticket or a show. `cookies`
/// are the session's.
pub(super) async fn continue_to(
    next: &str,
    state: &AppState,
    mut client: ClientContext,
    user: UserId,
    cookies: Vec<HeaderValue>,
) -> Response {
    let next = safe_redirect_path(next);
    if !is_command(next) {
        return with_cookies(see_other(next), cookies);
    }
    client.replace_cookies(&cookies);
    let done = async {
        let viewer = Viewer::load(state, user).await?;
        if let Some((ticket, form)) = hold_intention::parse(next) {
            return ticket::place_hold(state, &viewer, &client, ticket, &form).await;
        }
        if let Some((ticket, command)) = ticket_watch::parse(next) {
            return ticket_watch::carry_out(state, &viewer, ticket, command).await;
        }
        match show_watch::parse(next) {
            Some((show, form)) => show_watch::place_watch(state, &viewer, show, form).await,
            None => Ok(see_other(next)),
        }
    };
    with_cookies(done.await.unwrap_or_else(IntoResponse::into_response), cookies)
}
