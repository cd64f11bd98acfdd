//! POST /tickets/{id}/withdraw: takes a listing off sale.

use axum::extract::{Path, State};
use axum::response::Response;
use common::api::tickets::WithdrawListing;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::TicketId;
use http::StatusCode;

use super::done::Done;
use super::layout::see_other;
use super::ticket::{parse_id, show};
use crate::client_context::ClientContext;
use crate::domain::problem_text::detail;
use crate::flows::await_version::await_version;
use crate::flows::fetch_current_listing::fetch_current_listing;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::viewer::Viewer;

/// Withdraw a listing.
#[utoipa::path(post, path = "/tickets/{id}/withdraw", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Withdrawn."), (status = 409, body = String, content_type = "text/html")))]
pub(super) async fn withdraw(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let page = format!("/tickets/{id}");
    viewer.require_user(&page)?;
    match state.services.send(&WithdrawListing { id }, &client).await {
        Ok(response) => {
            await_version::<TicketState>(&state, &id.to_string(), response.version.unwrap_or(0)).await?;
            Ok(see_other(&Done::Withdrawn.path(id)))
        }
        Err(error) if error.status() == StatusCode::CONFLICT => {
            let current = fetch_current_listing(&state, &client, id).await;
            if current.is_some_and(|current| current.status == TicketStatus::Withdrawn) {
                return Ok(see_other(&Done::Withdrawn.path(id)));
            }
            show(&state, &viewer, id, None, StatusCode::CONFLICT, Some(detail(&error.problem))).await
        }
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => Err(PageError::SignInRequired(page)),
        Err(error) => Err(error.into()),
    }
}
