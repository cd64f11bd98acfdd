//! Where a user goes after sign-in or sign-up: to the page that asked for it, or on with the hold that a guest wanted.

use axum::response::{IntoResponse, Response};
use common::id::UserId;
use http::HeaderValue;

use super::layout::see_other;
use super::{hold_intention, ticket};
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::form::safe_redirect_path;
use crate::state::AppState;
use crate::viewer::Viewer;

/// Leads to `next`, or makes the hold that it stands for with the new session. `cookies` are the session's.
pub(super) async fn continue_to(
    next: &str,
    state: &AppState,
    mut client: ClientContext,
    user: UserId,
    cookies: Vec<HeaderValue>,
) -> Response {
    let next = safe_redirect_path(next);
    let Some((ticket, form)) = hold_intention::parse(next) else { return with_cookies(see_other(next), cookies) };
    client.replace_cookies(&cookies);
    let held = async {
        let viewer = Viewer::load(state, user).await?;
        ticket::place_hold(state, &viewer, &client, ticket, &form).await
    };
    with_cookies(held.await.unwrap_or_else(IntoResponse::into_response), cookies)
}
