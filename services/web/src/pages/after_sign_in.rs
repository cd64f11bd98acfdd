//! Where a user goes after sign-in or sign-up: to the page that asked for it, or on with the hold or the watch that a
//! guest wanted.

use axum::response::{IntoResponse, Response};
use common::id::UserId;
use http::HeaderValue;

use super::layout::see_other;
use super::{hold_intention, show_watch, ticket};
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::form::safe_redirect_path;
use crate::state::AppState;
use crate::viewer::Viewer;

/// Leads to `next`, or does what it stands for with the new session: hold a ticket, watch a show. `cookies` are the
/// session's.
pub(super) async fn continue_to(
    next: &str,
    state: &AppState,
    mut client: ClientContext,
    user: UserId,
    cookies: Vec<HeaderValue>,
) -> Response {
    let next = safe_redirect_path(next);
    let (hold, watch) = (hold_intention::parse(next), show_watch::parse(next));
    if hold.is_none() && watch.is_none() {
        return with_cookies(see_other(next), cookies);
    }
    client.replace_cookies(&cookies);
    let done = async {
        let viewer = Viewer::load(state, user).await?;
        if let Some((ticket, form)) = hold {
            return ticket::place_hold(state, &viewer, &client, ticket, &form).await;
        }
        match watch {
            Some((show, form)) => show_watch::place_watch(state, &viewer, show, form).await,
            None => Ok(see_other(next)),
        }
    };
    with_cookies(done.await.unwrap_or_else(IntoResponse::into_response), cookies)
}
